"""GRPO's loss by hand, its groups, what it draws, and what it keeps."""

import math
from pathlib import Path

import pytest
import torch

from spatial_llm import SpatialLLM
from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.preference.answer_log_probs import AnswerLogProbs, heard_once
from spatial_llm.training.preference.grpo import GrpoLoss
from spatial_llm.training.preference.objectives import repeated_steps
from spatial_llm.training.preference.rollouts import WORTH, KeptRollouts, Rollout, advantages_of, draw, with_answers
from spatial_llm.training.preference.settings import GrpoSettings
from tests.fusion.conftest import composite
from tests.fusion.test_generation import FUSIONS
from tests.training.preference.test_answer_log_probs import QUESTIONS, pair_batch


def test_advantages_are_zero_on_average_and_of_one_size():
    rewards = torch.rand(5, 8, generator=torch.Generator().manual_seed(0))
    rewards[2] = 0.75  # whose mean is exact
    found = advantages_of(rewards)
    assert found.sum(-1).abs().max() < 1e-5 and not found[2].any()
    assert torch.allclose(found[[0, 1, 3, 4]].square().mean(-1), torch.ones(4), atol=1e-2)
    assert torch.equal(found[0].argsort(), rewards[0].argsort())
    assert advantages_of(torch.tensor([[1.0, 0.0]]))[0].tolist() == pytest.approx([1, -1], abs=1e-3)


def test_answers_end_with_their_first_end():
    batch = {"input_ids": torch.tensor([[0, 7, 8], [6, 7, 9]]), "attention_mask": torch.tensor([[0, 1, 1], [1, 1, 1]])}
    answers = torch.tensor([[4, 2, 0], [4, 5, 6], [2, 2, 2], [5, 4, 2]])
    found = with_answers(batch, answers, ends=[2, 3])
    assert found["input_ids"].tolist() == [[0, 7, 8, 4, 2, 0], [0, 7, 8, 4, 5, 6], [6, 7, 9, 2, 2, 2], [6, 7, 9, 5, 4, 2]]
    assert found["attention_mask"][:, 3:].tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1]]
    assert found["targets"][:, :3].eq(-100).all()
    assert found["targets"][:, 3:].tolist() == [[4, 2, -100], [4, 5, 6], [2, -100, -100], [5, 4, 2]]


def loss_of(settings: GrpoSettings) -> GrpoLoss:
    loss = GrpoLoss.__new__(GrpoLoss)
    loss.settings, loss._measured, loss.step = settings, {}, 0
    return loss


@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_the_loss_is_that_of_the_formula(kl):
    """Two groups of two answers of different lengths, with ratios on both sides of the clip."""
    random = torch.Generator().manual_seed(2)
    mask = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]]).bool()
    now, sampled, started = (torch.randn(4, 3, generator=random) * 0.4 * mask for _ in range(3))
    worth = torch.tensor([[1.0, 1, 0, 0], [0.2, 0, 0, 0], [-0.5, 0, 1, 0], [0.1, 0, 0, 1]])
    advantages = advantages_of(worth[:, 0].view(2, 2)).flatten()
    rollout = Rollout(mask, mask, mask, worth, advantages, sampled, started if kl else None)
    loss = loss_of(GrpoSettings(samples=2, inner_epochs=2, clip=0.1, kl=kl))
    found = loss.of(AnswerLogProbs(now, mask), rollout)
    expected, clipped = 0.0, 0
    for row in range(4):
        gain = 0.0
        for column in range(int(mask[row].sum())):
            ratio = math.exp(now[row, column] - sampled[row, column])
            clipped += not 0.9 <= ratio <= 1.1
            advantage = float(advantages[row])
            gain += min(ratio * advantage, min(max(ratio, 0.9), 1.1) * advantage)
            behind = float(started[row, column] - now[row, column])
            gain -= kl * (math.exp(behind) - behind - 1)
        expected -= gain / int(mask[row].sum()) / 4
    assert float(found) == pytest.approx(expected, rel=1e-5) and 0 < clipped < 9
    logs = {"loss": 0.0}
    loss.on_log(None, None, None, logs)
    assert logs["clipped"] == pytest.approx(clipped / 9)
    assert [logs[name] for name in WORTH] == pytest.approx(worth.mean(0).tolist())
    assert logs["reward_spread"] == pytest.approx((0.4 + 0.3) / 2)
    assert ("kl" in logs) == bool(kl)


@pytest.mark.parametrize("fusion", [None, *FUSIONS.values()], ids=["prefix", *FUSIONS])
def test_what_is_drawn_depends_on_its_seed_alone_and_hears_its_own_recording(fusion):
    """Each prompt is given G times beside its own clip: at a temperature near 0 all answers are that of the prompt alone."""
    model = composite(fusion)
    batch, processor = pair_batch(model)
    pipeline = SpatialLLM.__new__(SpatialLLM)
    pipeline.model, pipeline.processor = model, processor
    text = processor(text=list(QUESTIONS), return_tensors="pt")
    prompts = {name: text[name] for name in ("input_ids", "attention_mask")} | {"input_features": batch["input_features"]}
    heard = heard_once(model, prompts, 1)

    def drawn(temperature, *seed):
        return draw(pipeline, prompts, heard, 3, temperature, 4, seed)

    hot = drawn(1.0, 0, 1)
    assert hot.shape == (9, 4) and torch.equal(hot, drawn(1.0, 0, 1)) and not torch.equal(hot, drawn(1.0, 0, 2))
    cold = drawn(1e-4, 0, 1)
    assert torch.equal(cold[::3], cold[1::3]) and torch.equal(cold[::3], cold[2::3])
    alone = [
        draw(
            pipeline,
            dict(processor(text=[question], return_tensors="pt")),
            {name: value[row : row + 1] for name, value in heard.items()},
            1,
            1e-4,
            4,
            (0,),
        )
        for row, question in enumerate(QUESTIONS)
    ]
    assert torch.equal(cold[::3], torch.cat(alone))


def rollout(value: float) -> Rollout:
    ids = torch.full((2, 3), int(value))
    return Rollout(ids, ids.clone(), ids.clone(), torch.full((2, 4), value), torch.zeros(2), torch.full((2, 2), value))


def test_answers_are_kept_for_the_steps_on_them_and_over_a_stop(tmp_path: Path):
    folder, checkpoints = tmp_path / "rollouts", tmp_path / "checkpoints"
    kept = KeptRollouts(folder, checkpoints, steps=2)
    assert kept.find(0, [4, 5]) is None
    kept.keep(0, [4, 5], rollout(1))
    assert kept.find(1, [4, 5]).worth[0, 0] == 1 and kept.find(1, [6, 7]) is None and kept.find(2, [4, 5]) is None
    kept.keep(2, [4, 5], rollout(2))
    # Another process goes on from step 3, and from step 2, which draws anew.
    again = KeptRollouts(folder, checkpoints, steps=2)
    found = again.find(3, [4, 5])
    assert found.worth[0, 0] == 2 and found.started is None and torch.equal(found.sampled, rollout(2).sampled)
    assert KeptRollouts(folder, checkpoints, steps=2).find(2, [4, 5]) is None
    # Files stay as long as a checkpoint may need them.
    (checkpoints / "step-00000003").mkdir(parents=True)
    kept.keep(6, [4, 5], rollout(3))
    assert sorted(path.name[:8] for path in folder.iterdir()) == ["00000001", "00000003"]


def test_with_one_step_on_each_answer_nothing_is_written(tmp_path: Path):
    kept = KeptRollouts(tmp_path / "rollouts", tmp_path / "checkpoints", steps=1)
    kept.keep(0, [1], rollout(1))
    assert not (tmp_path / "rollouts").exists() and kept.find(0, [1]) is not None and kept.find(1, [1]) is None


def test_the_samples_of_a_step_come_again():
    order = repeated_steps(11, 4, 3, seed=0)
    first = order(0)
    assert len(first) == len(order(1)) == 24 and order(0) == first != order(1)
    for start in (0, 12):
        steps = [first[start + 4 * each : start + 4 * each + 4] for each in range(3)]
        assert steps[0] == steps[1] == steps[2] and len(set(steps[0])) == 4
    assert not set(first[:4]) & set(first[12:16])
    with pytest.raises(SpatialLLMError, match=r"3 questions, and a step with grpo\.inner_epochs takes 4"):
        repeated_steps(3, 4, 2, seed=0)
