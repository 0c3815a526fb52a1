"""The objective "grpo": answers of the model's own become likelier where they are worth more than the others of their group.

    ratio = p(token) / p_sampling(token)
    loss  = -mean over answers of the mean over tokens of
            min(ratio A, clip(ratio, 1 - clip, 1 + clip) A) - kl (p_start / p - log(p_start / p) - 1)

A is the reward of an answer less the mean of its group, divided by its standard deviation. A recording is encoded once for
its G answers, in sampling and in the loss. Source: Shao et al., DeepSeekMath (arXiv 2402.03300), equations 3 and 4.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from spatial_llm.model import SpatialLLM, SpatialLLMProcessor
from spatial_llm.model.near_ties import end_ids
from spatial_llm.training.engine.launching import rank
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import trained_tensors
from spatial_llm.training.preference.answer_log_probs import (
    AnswerLogProbs,
    answer_log_probs,
    autocast,
    heard_once,
    unwrapped,
    without_dropout,
)
from spatial_llm.training.preference.questions import QuestionDataset
from spatial_llm.training.preference.rewards import reward
from spatial_llm.training.preference.rollouts import WORTH, KeptRollouts, Rollout, advantages_of, draw, with_answers
from spatial_llm.training.preference.settings import GrpoSettings
from spatial_llm.training.preference.watched_loss import WatchedLoss


class GrpoLoss(WatchedLoss):
    """The loss of batches of `QuestionCollator`: draws answers, rewards them, and returns the loss of what was drawn.

    The same step of the same run draws the same answers. Dropout is off, so that the first ratio is exactly 1.

    Args:
        settings: of the objective.
        model: the composite that the run starts from; a copy of what trains is kept as the reference, if `kl` is above 0.
        processor: decodes.
        dataset: the questions with their true answers.
        run: folder of the run.
        seed, precision: of the run.
    """

    def __init__(
        self,
        settings: GrpoSettings,
        model: nn.Module,
        processor: SpatialLLMProcessor,
        dataset: QuestionDataset,
        run: RunFolder,
        seed: int,
        precision: str,
    ) -> None:
        super().__init__()
        self.settings, self.dataset, self.seed, self.precision = settings, dataset, seed, precision
        self.pipeline = SpatialLLM(model, processor)
        self.ends = sorted({processor.tokenizer.eos_token_id, *end_ids(model)})
        self.kept = KeptRollouts(run.path / "rollouts", run.checkpoints, settings.inner_epochs)
        # The model is loaded as the run started from it, also where it goes on from a checkpoint.
        trained = trained_tensors(model) if settings.kl else {}
        self.start = {name: tensor.detach().clone() for name, tensor in trained.items()}

    def __call__(self, model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        without_dropout(model)
        rows, device = batch["questions"].tolist(), batch["input_ids"].device
        # One context each: inside one, casts of weights are kept, also those made without gradient or of other weights.
        with autocast(model, self.precision):
            heard = heard_once(model, batch, 1)
        known = self.kept.find(self.step, rows)
        rollout = _moved(self._drawn(model, batch, heard) if known is None else known, device)
        with autocast(model, self.precision):
            found = self._log_probs(model, vars(rollout), heard)
        if known is None:
            rollout.sampled = found.tokens.detach()
            self.kept.keep(self.step, rows, rollout)
        return self.of(found, rollout)

    def of(self, found: AnswerLogProbs, rollout: Rollout) -> torch.Tensor:
        """Returns the loss of answers, a mean over them.

        Args:
            found: log-probabilities of their tokens under the model as it is.
            rollout: the answers.
        """
        columns = dict(zip(WORTH, rollout.worth.mean(0).tolist(), strict=True))
        spread = rollout.worth[:, 0].view(-1, self.settings.samples).std(-1, correction=0).mean()
        self.measure(**columns, reward_spread=spread)
        clip, count = self.settings.clip, found.mask.sum(-1).clamp(min=1)
        ratios = (found.tokens - rollout.sampled).exp()
        advantages = rollout.advantages.unsqueeze(-1)
        gains = torch.minimum(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages)
        clipped = ((ratios.detach() - 1).abs() > clip) & found.mask
        self.measure(clipped=clipped.sum() / found.mask.sum().clamp(min=1))
        if rollout.started is not None:
            ahead = rollout.started - found.tokens
            divergence = (ahead.exp() - ahead - 1) * found.mask
            self.measure(kl=(divergence.detach().sum(-1) / count).mean())
            gains = gains - self.settings.kl * divergence
        return -((gains * found.mask).sum(-1) / count).mean()

    def _drawn(self, model: nn.Module, batch: dict[str, Any], heard: dict[str, torch.Tensor]) -> Rollout:
        settings, rows = self.settings, batch["questions"].tolist()
        self.pipeline.model = unwrapped(model).eval()  # a layer that trains with checkpointed activations keeps no cache
        seed = (self.seed, self.step, rank(), *rows)
        with autocast(model, self.precision):
            answers = draw(
                self.pipeline, batch, heard, settings.samples, settings.temperature, settings.max_new_tokens, seed
            )
        without_dropout(model)
        texts = self.pipeline.processor.batch_decode(answers, skip_special_tokens=True)
        worth = self._worth(rows, [text.strip() for text in texts])
        advantages = advantages_of(worth[:, 0].view(len(rows), settings.samples)).flatten()
        rollout = Rollout(**with_answers(batch, answers, self.ends), worth=worth, advantages=advantages)
        if settings.kl:
            with torch.no_grad(), self._as_started(unwrapped(model)), autocast(model, self.precision):
                rollout.started = self._log_probs(model, vars(rollout), heard_once(model, batch, 1)).tokens
        return rollout

    def _log_probs(self, model: nn.Module, rows: dict[str, Any], heard: dict[str, torch.Tensor]) -> AnswerLogProbs:
        each = {name: value.repeat_interleave(self.settings.samples, 0) for name, value in heard.items()}
        return answer_log_probs(model, rows, each, self.settings.temperature)

    def _worth(self, rows: list[int], texts: list[str]) -> torch.Tensor:
        records = [record for record in map(self.dataset.record, rows) for _ in range(self.settings.samples)]
        names, settings = self.dataset.names, self.settings.rewards
        found = [reward(record, text, settings, names) for record, text in zip(records, texts, strict=True)]
        return torch.tensor([[one.total, one.right, one.unparsed, one.refused] for one in found], dtype=torch.float32)

    @contextlib.contextmanager
    def _as_started(self, composite: nn.Module) -> Iterator[None]:
        """Puts the weights of the start in place of those that train, inside the context."""
        tensors = trained_tensors(composite)
        now = {name: tensor.data for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            self.start[name] = self.start[name].to(tensor.device)
            tensor.data = self.start[name]
        try:
            yield
        finally:
            for name, tensor in tensors.items():
                tensor.data = now[name]


def _moved(rollout: Rollout, device: torch.device) -> Rollout:
    return Rollout(**{name: None if value is None else value.to(device) for name, value in vars(rollout).items()})
