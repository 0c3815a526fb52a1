"""Several processes keep one AdaCos scale: that of their batches together."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from spatial_llm.encoders.heads import AdaCosHead

PARTS = (4, 3)  # samples of each process: not equally many


def head_and_batch() -> tuple[AdaCosHead, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    head = AdaCosHead(8, 21).train()
    torch.nn.init.normal_(head.weight)
    return head, torch.randn(sum(PARTS), 8), torch.randint(21, (sum(PARTS),))


def work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=len(PARTS))
    assert distributed.get_world_size() == 2
    head, hidden, labels = head_and_batch()
    mine = slice(0, PARTS[0]) if rank == 0 else slice(PARTS[0], None)
    for _ in range(3):
        head.loss(head(hidden[mine]), labels[mine])
    torch.save(head.scale, f"{folder}/scale{rank}")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_adapt_the_scale_as_one_would(tmp_path: Path) -> None:
    commands = [[sys.executable, __file__, str(rank), str(tmp_path)] for rank in range(2)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(120) for process in processes] == [0, 0]
    head, hidden, labels = head_and_batch()
    for _ in range(3):
        head.loss(head(hidden), labels)
    scales = [torch.load(tmp_path / f"scale{rank}", weights_only=True) for rank in range(2)]
    assert torch.equal(scales[0], scales[1])
    torch.testing.assert_close(scales[0], head.scale, rtol=1e-6, atol=0)


def test_the_paper_s_scale_leaves_the_target_out() -> None:
    _, hidden, labels = head_and_batch()
    scales = {}
    for target_term in (True, False):
        torch.manual_seed(1)
        head = AdaCosHead(8, 21, target_term).train()
        torch.nn.init.normal_(head.weight)
        cosines, before = head(hidden), head.scale.item()
        head.loss(cosines, labels)
        scales[target_term] = head.scale.item()
        wrong = torch.exp(before * cosines).scatter(1, labels[:, None], float(target_term)).sum(1).mean().log()
        angle = torch.acos(cosines.gather(1, labels[:, None])).median().clamp(max=torch.pi / 4)
        assert head.scale.item() == pytest.approx((wrong / angle.cos()).item(), rel=1e-5)
    assert scales[False] < scales[True]


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
