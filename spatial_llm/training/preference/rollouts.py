"""Answers of the model's own to the questions of a batch, with their rewards; kept where several steps are made on them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from spatial_llm.files import atomic_path
from spatial_llm.model import SpatialLLM
from spatial_llm.model.padding import IGNORED
from spatial_llm.training.engine.launching import rank

WORTH = ("reward", "right", "unparsed", "refused")  # columns of `Rollout.worth`


@dataclass
class Rollout:
    """Holds G answers to each of B questions.

    Attributes:
        input_ids, attention_mask, targets: (B G, length), the prompts with their answers; answers to one question stand
            together; -100 in `targets` outside an answer and its EOS.
        worth: (B G, columns of WORTH): the reward of each answer, and 1 or 0 for the others.
        advantages: (B G,), zero on average within a group.
        sampled: (B G, answer columns) log-probabilities of tokens when they were drawn; None until they are known.
        started: (B G, answer columns) the same under the model that the run started from; None if they are not needed.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    targets: torch.Tensor
    worth: torch.Tensor
    advantages: torch.Tensor
    sampled: torch.Tensor | None = None
    started: torch.Tensor | None = None


def draw(
    model: SpatialLLM,
    batch: dict[str, torch.Tensor],
    heard: dict[str, torch.Tensor],
    samples: int,
    temperature: float,
    max_new_tokens: int,
    seed: Sequence[int],
) -> torch.Tensor:
    """Draws answers (B x samples, new tokens), padded with EOS or the padding token behind their end; audio is as it was
    encoded.

    Args:
        model: answers.
        batch: prompts `input_ids`, `attention_mask` (B, length), padded on the left.
        heard: of `heard_once`, one clip a prompt.
        samples: answers to each.
        temperature: of sampling; no other rule cuts the distribution.
        max_new_tokens: most tokens of an answer.
        seed: of the draw, whole numbers; the same numbers give the same answers.
    """
    net, length = model.model, batch["input_ids"].shape[1]
    cuda = [net.device] if net.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(_mixed(seed))
        tokens = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            **{name: value.detach() for name, value in heard.items()},
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            num_return_sequences=samples,
            max_new_tokens=max_new_tokens,
            use_cache=True,
        )
    return tokens[:, length:].clone()  # a tensor of inference could not be part of a loss


def with_answers(batch: dict[str, torch.Tensor], answers: torch.Tensor, ends: Sequence[int]) -> dict[str, torch.Tensor]:
    """Returns `input_ids`, `attention_mask` and `targets` (B G, length) of prompts followed by G answers each.

    Args:
        batch: prompts (B, length), padded on the left.
        answers: (B G, new tokens); what follows the first end is padding.
        ends: ids of tokens that end an answer.
    """
    ended = torch.isin(answers, torch.tensor(list(ends), device=answers.device))
    there = ended.long().cumsum(-1) - ended.long() == 0  # up to and with the first end
    times = len(answers) // len(batch["input_ids"])
    prompts = batch["input_ids"].repeat_interleave(times, 0)
    mask = batch["attention_mask"].repeat_interleave(times, 0)
    return {
        "input_ids": torch.cat([prompts, answers], 1),
        "attention_mask": torch.cat([mask, there.to(mask.dtype)], 1),
        "targets": torch.cat([torch.full_like(prompts, IGNORED), answers.masked_fill(~there, IGNORED)], 1),
    }


def advantages_of(rewards: torch.Tensor) -> torch.Tensor:
    """Returns rewards (groups, samples) less the mean of their group, divided by its standard deviation; 0 in a group whose
    answers are all worth the same."""
    centred = rewards - rewards.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True).sqrt() + 1e-4)


class KeptRollouts:
    """Keeps the answers on which several steps are made, in memory and in the run folder, for a run that is stopped.

    Args:
        folder: of the files; files of steps that no checkpoint needs are deleted.
        checkpoints: folder of the run's checkpoints.
        steps: number of steps on the same answers.
    """

    def __init__(self, folder: Path, checkpoints: Path, steps: int) -> None:
        self.folder, self.checkpoints, self.steps = folder, checkpoints, steps
        self._latest: dict[str, Rollout] = {}

    def find(self, step: int, rows: Sequence[int]) -> Rollout | None:
        """Returns the answers to the questions `rows` on which a step is to be made; None if they are to be drawn."""
        name = self._name(step, rows)
        path = self._path(name)
        if name not in self._latest and step % self.steps and path.is_file():
            self._latest[name] = Rollout(**load_file(path, device="cpu"))
        return self._latest.get(name)

    def keep(self, step: int, rows: Sequence[int], rollout: Rollout) -> None:
        """Keeps the answers that were drawn at a step for the steps that follow on them."""
        name, block = self._name(step, rows), step // self.steps
        self._latest = {key: kept for key, kept in self._latest.items() if int(key[:8]) == block} | {name: rollout}
        if self.steps > 1:
            self._write(self._path(name), rollout, block)

    def _name(self, step: int, rows: Sequence[int]) -> str:
        return f"{step // self.steps:08d}-{rank()}-{'-'.join(map(str, rows))}"

    def _path(self, name: str) -> Path:
        return self.folder / f"{name[:120]}.safetensors"

    def _write(self, path: Path, rollout: Rollout, block: int) -> None:
        steps = [int(one.name.removeprefix("step-")) for one in self.checkpoints.glob("step-*")]
        oldest = min([*steps, block * self.steps]) // self.steps
        for old in self.folder.glob(f"*-{rank()}-*.safetensors"):
            if int(old.name[:8]) < oldest:
                old.unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        given = {field.name: getattr(rollout, field.name) for field in fields(rollout)}
        with atomic_path(path) as temporary:
            save_file({name: value.cpu().contiguous() for name, value in given.items() if value is not None}, temporary)


def _mixed(seed: Sequence[int]) -> int:
    """Returns one seed made of several numbers."""
    return int(np.random.SeedSequence([int(one) for one in seed]).generate_state(1)[0])
