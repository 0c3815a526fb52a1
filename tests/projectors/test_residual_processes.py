"""Several processes keep the same code books: those that one process would learn from their batches together."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from spatial_llm.projectors.residual import ResidualQuantizer

PARTS = (3, 2)  # recordings of each process: not equally many
STEPS = 4


def quantizer_and_batches(learned: bool, dead_share: float) -> tuple[ResidualQuantizer, torch.Tensor]:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(4, levels=2, size=16, learned=learned, decay=0.8, dead_share=dead_share)
    return quantizer, 3 + torch.randn(STEPS, sum(PARTS), 20, 4)


def learn(quantizer: ResidualQuantizer, batches: torch.Tensor, lost: bool = False) -> dict[str, torch.Tensor]:
    for number, batch in enumerate(batches):
        if lost and number == 1:
            batch[0, 0, 0] = torch.nan
        quantizer(batch, learns=True)
    return quantizer.state_dict()


def work(rank: int, folder: str, learned: bool, dead_share: float, lost: bool) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=len(PARTS))
    quantizer, batches = quantizer_and_batches(learned, dead_share)
    torch.manual_seed(rank)  # what is drawn in training differs between processes
    mine = slice(0, PARTS[0]) if rank == 0 else slice(PARTS[0], None)
    torch.save(learn(quantizer, batches[:, mine], lost and rank == 1), f"{folder}/state{rank}")
    distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(("learned", "dead_share"), [(False, 0.0), (False, 0.5), (True, 0.5)])
def test_two_processes_learn_the_books_of_one(tmp_path: Path, learned: bool, dead_share: float) -> None:
    pytest.importorskip("vector_quantize_pytorch")
    states = run(tmp_path, learned, dead_share)
    start, batches = quantizer_and_batches(learned, dead_share)
    moved = start.code_vectors.clone()
    alone = learn(start, batches)
    assert all(torch.equal(states[0][name], states[1][name]) for name in alone)
    assert not torch.equal(moved, start.code_vectors)
    if not dead_share:  # whose replacements are drawn
        for name, value in alone.items():
            torch.testing.assert_close(states[0][name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_vector_that_is_not_finite_in_one_process_moves_no_book_in_any(tmp_path: Path) -> None:
    pytest.importorskip("vector_quantize_pytorch")
    states = run(tmp_path, False, 0.0, lost=True)
    quantizer, batches = quantizer_and_batches(False, 0.0)
    alone = learn(quantizer, batches[[0, 2, 3]])
    for name, value in alone.items():
        assert torch.equal(states[0][name], states[1][name])
        torch.testing.assert_close(states[0][name], value, rtol=1e-4, atol=1e-5)


def run(folder: Path, learned: bool, dead_share: float, lost: bool = False) -> list[dict[str, torch.Tensor]]:
    options = [str(folder), str(int(learned)), str(dead_share), str(int(lost))]
    processes = [subprocess.Popen([sys.executable, __file__, str(rank), *options]) for rank in range(2)]
    assert [process.wait(600) for process in processes] == [0, 0]
    return [torch.load(folder / f"state{rank}", weights_only=True) for rank in range(2)]


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2], bool(int(sys.argv[3])), float(sys.argv[4]), bool(int(sys.argv[5])))
