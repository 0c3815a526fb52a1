"""The rows of time tokens beside the language model's embedding and head: trained, saved and loaded like LoRA.

The vocabulary's own matrices are not resized. So tied and untied models are alike, the base keeps its bytes and its
fingerprint, and the trained-only form holds the new rows without the old ones. The composite embeds ids itself and takes the
rows there; a hook on the head adds their logits behind those of the vocabulary.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import embedding, linear
from transformers import initialization as init

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.added_module import AddedModule
from spatial_llm.model.time_tokens import TimeTokens

ROWS = "time_tokens"  # name of the rows under the head
AMPLITUDE = 0.1  # of the sinusoid, in standard deviations of the characters' rows
_SHORTEST_S = 0.1  # shortest period of the sinusoid
_STD = 0.02  # of rows that were neither started nor loaded


class TimeTokenRows(AddedModule):
    """The embeddings (tokens, embedding width) and head rows (tokens, hidden width) of time tokens.

    Args:
        count: number of tokens.
        embedding_width: of the language model's embedding.
        head_width: of the input of its head.
    """

    def __init__(self, count: int, embedding_width: int, head_width: int) -> None:
        super().__init__()
        self.input_rows = nn.Parameter(torch.empty(count, embedding_width))
        self.head_rows = nn.Parameter(torch.empty(count, head_width))
        self.init_weights()

    def init_weights(self) -> None:
        init.normal_(self.input_rows, std=_STD)
        init.normal_(self.head_rows, std=_STD)


def add_time_rows(language_model: nn.Module, count: int) -> None:
    """Puts rows for time tokens under the head of `language_model`, in place.

    Raises:
        SpatialLLMError: its head is no plain linear layer.
    """
    check_plain_head(language_model)
    head = language_model.get_output_embeddings()
    width = language_model.get_input_embeddings().embedding_dim
    setattr(head, ROWS, TimeTokenRows(count, width, head.in_features))
    if add_time_logits not in head._forward_hooks.values():
        head.register_forward_hook(add_time_logits)


def check_plain_head(language_model: nn.Module, targets: Sequence[str] = ()) -> None:
    """Raises SpatialLLMError unless the head is a linear layer, and LoRA on modules of the names `targets` leaves it so."""
    head = language_model.get_output_embeddings()
    name = next((name for name, module in language_model.named_modules() if module is head), "")
    if not isinstance(head, nn.Linear) or name.rpartition(".")[2] in targets:
        raise SpatialLLMError(
            f"time_tokens need a head that is a plain linear layer; that of {type(language_model).__name__} is "
            f"{type(head).__name__}{' with LoRA' if targets else ''}: leave it out of lora.target_modules, or set "
            "time_tokens to none."
        )


def time_rows(language_model: nn.Module) -> TimeTokenRows | None:
    """Returns the rows of time tokens in a language model; None if it has none."""
    head = language_model.get_output_embeddings() if hasattr(language_model, "get_output_embeddings") else None
    return getattr(head, ROWS, None)


def add_time_logits(head: nn.Module, args: tuple[torch.Tensor, ...], logits: torch.Tensor) -> torch.Tensor:
    """Hook of the head: returns its logits (..., vocabulary), and behind them those of the time tokens."""
    rows = getattr(head, ROWS).head_rows
    return torch.cat([logits, linear(args[0].to(logits.dtype), rows.to(logits.device, logits.dtype))], dim=-1)


def embed_with_times(embeddings: nn.Embedding, rows: TimeTokenRows, input_ids: torch.Tensor) -> torch.Tensor:
    """Embeds ids (batch, length) of the vocabulary and of time tokens behind it -> (batch, length, width)."""
    own = input_ids - embeddings.num_embeddings
    is_time = (own >= 0) & (own < len(rows.input_rows))
    words = embeddings(input_ids.masked_fill(is_time, 0))
    times = embedding(own.clamp(0, len(rows.input_rows) - 1).to(rows.input_rows.device), rows.input_rows)
    return torch.where(is_time.unsqueeze(-1), times.to(words.device, words.dtype), words)


@torch.no_grad()
def start_time_rows(language_model: nn.Module, times: TimeTokens, characters: dict[str, int], seed: int) -> None:
    """Initialises the rows of time tokens before training.

    Each row is the mean of the rows of the characters that its token stands for: of "1" for `<a_1>`, of "." and "1" for
    `<f_1>`, of "1", "." and "1" for `<t_1.10>`. Since 1.12 and 1.21 have the same characters, "absolute" adds a sinusoid
    of time, which also makes neighbours in time alike.

    Args:
        language_model: after `add_time_rows`, with its weights.
        times: the tokens.
        characters: ids of `time_tokens.CHARACTERS` in the tokenizer.
        seed: of the phases of the sinusoid.
    """
    rows, embeddings = time_rows(language_model), language_model.get_input_embeddings()
    head = language_model.get_output_embeddings()
    spelled = [[characters[one] for one in times.spelled(times.first_id + index)] for index in range(times.count)]
    for own, matrix, scaled in (
        # What the embedding returns, because some models scale its rows.
        (rows.input_rows, embeddings.weight, embeddings),
        (rows.head_rows, head.weight, lambda ids: embedding(ids, head.weight)),
    ):
        known = {i: scaled(torch.tensor(i, device=matrix.device)).float() for i in sorted(set(characters.values()))}
        means = torch.stack([torch.stack([known[one] for one in ids]).mean(0) for ids in spelled])
        if times.longest_s is not None:
            waves = sinusoid(times.count, times.longest_s, own.shape[1], seed).to(means.device)
            means = means + AMPLITUDE * torch.stack(list(known.values())).std() * waves
        own.copy_(means)


def sinusoid(count: int, longest_s: float, width: int, seed: int) -> torch.Tensor:
    """Returns sinusoids of the times 0, 0.01, ... s (count, width) with a mean square of about 1 in each column.

    Their periods go from 0.1 s to twice the longest time in geometric steps, and their phases are drawn with `seed`.
    """
    times_s = torch.arange(count, dtype=torch.float64) / 100
    ratio = max(2 * longest_s / _SHORTEST_S, 1.0)
    periods_s = _SHORTEST_S * ratio ** torch.linspace(0, 1, width, dtype=torch.float64)
    phases = torch.rand(width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (math.sqrt(2) * torch.sin(2 * math.pi * (times_s[:, None] / periods_s + phases))).float()
