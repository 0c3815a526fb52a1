"""Log-probabilities of answers, several about one recording that is encoded and projected once."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from spatial_llm.model.mono_base import MONO_INPUTS
from spatial_llm.model.padding import IGNORED

ENCODED = ("input_features", "audio_hidden_states")


@dataclass
class AnswerLogProbs:
    """Holds the log-probabilities of the tokens of answers.

    Attributes:
        tokens: (rows, answer columns) float32, 0 outside an answer.
        mask: (rows, answer columns) bool, True on the tokens of an answer and on its EOS.
    """

    tokens: torch.Tensor
    mask: torch.Tensor

    @property
    def sums(self) -> torch.Tensor:
        """Returns the log-probability of each answer (rows,)."""
        return self.tokens.sum(-1)

    @property
    def means(self) -> torch.Tensor:
        """Returns the mean log-probability of a token of each answer (rows,)."""
        return self.sums / self.mask.sum(-1).clamp(min=1)


@contextlib.contextmanager
def autocast(model: nn.Module, precision: str) -> Iterator[None]:
    """Computes matrix products in bfloat16 inside the context, if `precision` is "bf16"."""
    with torch.autocast(unwrapped(model).device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield


def unwrapped(model: nn.Module) -> nn.Module:
    """Returns the composite inside what several processes wrap it in."""
    return getattr(model, "module", model)


def without_dropout(model: nn.Module) -> None:
    """Switches dropout off, so that two passes over the same batch give the same bits; layers that keep only their input
    when activations are checkpointed still do so."""
    unwrapped(model).eval()
    for module in unwrapped(model).modules():
        if getattr(module, "gradient_checkpointing", False):
            module.training = True


def heard_once(model: nn.Module, batch: Mapping[str, torch.Tensor], times: int) -> dict[str, torch.Tensor]:
    """Encodes and projects the clips of a batch once, for rows that repeat its prompts: first all prompts, then all again.

    Args:
        model: the composite, wrapped or not.
        batch: with `input_features` or `audio_hidden_states` (clips, ...), one clip a prompt.
        times: how often the prompts are repeated.

    Returns:
        Keyword arguments of the composite: `audio_embeds` (times x clips, audio tokens, audio width), with gradient. Where
        the projector makes fewer tokens of some clips, `audio_hidden_states`, which are projected with the prompts.
    """
    composite = unwrapped(model)
    given = {name: batch[name] for name in ENCODED if name in batch}
    features = composite.get_audio_features(**given, return_dict=True)
    if features.audio_mask is None:
        heard = {"audio_embeds": features.pooler_output}
    else:
        heard = {"audio_hidden_states": features.last_hidden_state}
    heard |= {name: batch[name] for name in MONO_INPUTS if name in batch}
    return {name: torch.cat([value] * times) for name, value in heard.items()}


def answer_log_probs(
    model: nn.Module, batch: Mapping[str, torch.Tensor], heard: Mapping[str, torch.Tensor], temperature: float = 1.0
) -> AnswerLogProbs:
    """Returns the log-probabilities of the answers of a batch.

    Args:
        model: the composite, wrapped or not.
        batch: `input_ids`, `attention_mask` and `targets` (rows, length): prompts that end in one column, then answers.
        heard: of `heard_once`, for as many rows.
        temperature: by which logits are divided.
    """
    targets = batch["targets"]
    there = targets != IGNORED
    # Answers stand at the end of all rows, also where a fusion takes the audio out of the sequence.
    columns = targets.shape[1] - int(there.any(0).nonzero()[0])
    output = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], logits_to_keep=columns + 1, use_cache=False,
        **heard,
    )  # fmt: skip
    logits = output.logits[:, :-1].float() / temperature
    targets, there = targets[:, -columns:], there[:, -columns:]
    chosen = targets.masked_fill(~there, 0).unsqueeze(-1)
    tokens = logits.gather(-1, chosen).squeeze(-1) - logits.logsumexp(-1)
    return AnswerLogProbs(tokens.masked_fill(~there, 0.0), there)
