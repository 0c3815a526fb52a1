"""The objective "dpo": the chosen answer becomes likelier than the rejected one, relative to the model of the start.

    margin = log p(chosen) - log p_start(chosen) - (log p(rejected) - log p_start(rejected))
    loss   = -log sigmoid(beta margin) + anchor x (-log p(chosen) / tokens)

Source: Rafailov et al., Direct Preference Optimization (arXiv 2305.18290), equation 7; the anchor is that of Pang et al.
(arXiv 2404.19733), equation 1, and the mean over tokens that of SimPO (arXiv 2405.14734), with a reference.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from spatial_llm.training.preference.answer_log_probs import (
    AnswerLogProbs,
    answer_log_probs,
    autocast,
    heard_once,
    without_dropout,
)
from spatial_llm.training.preference.reference import PairLogProbs
from spatial_llm.training.preference.settings import DpoSettings
from spatial_llm.training.preference.watched_loss import WatchedLoss


class DpoLoss(WatchedLoss):
    """The loss of batches of `PairCollator`.

    Dropout is off: it would make margins of noise.

    Args:
        settings: of the objective.
        reference: log-probabilities under the model that the run starts from.
        precision: of the run, "fp32" or "bf16".
    """

    def __init__(self, settings: DpoSettings, reference: PairLogProbs, precision: str) -> None:
        super().__init__()
        self.settings, self.reference, self.precision = settings, reference, precision

    def __call__(self, model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        without_dropout(model)
        with autocast(model, self.precision):
            found = answer_log_probs(model, batch, heard_once(model, batch, 2))
        return self.of(found, batch["pairs"])

    def of(self, found: AnswerLogProbs, pairs: torch.Tensor) -> torch.Tensor:
        """Returns the loss, a mean over pairs.

        Args:
            found: of B chosen and then B rejected answers.
            pairs: (B,) indices of the pairs.
        """
        settings = self.settings
        values = found.means if settings.length_normalised else found.sums
        reference = self.reference.values(pairs, settings.length_normalised).to(values.device)
        chosen, rejected = values.chunk(2)
        margins = (chosen - reference[:, 0]) - (rejected - reference[:, 1])
        loss = -logsigmoid(settings.beta * margins).mean()
        likelihood = found.means.chunk(2)[0].mean()
        if settings.anchor:
            loss = loss - settings.anchor * likelihood
        self.measure(
            margin=margins.detach().mean(),
            preferred=(margins.detach() > 0).float().mean(),
            chosen_log_prob=found.sums.detach().chunk(2)[0].mean(),
            rejected_log_prob=found.sums.detach().chunk(2)[1].mean(),
        )
        return loss
