"""Teaching a projector to tell scenes: its audio tokens become those in which the language model was told scenes.

A language model that was told scenes in tokens (`scene_tokens`) looks up one of two sources by its name, because a token is
one source, what and where. Nothing in the answers to questions says that audio tokens shall be so: joined by answers alone,
the shipped model compared two sounds little better than a coin, though its encoder's own class queries knew. So the
projector first learns the tokens themselves. Which of them tells which source is left to it (permutation-invariant training:
Yu et al., ICASSP 2017; the assignment of least cost, as in DETR: Carion et al., ECCV 2020); those left over say that nobody
is there.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import CausalLMOutput

from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.targets import targets_of
from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import CheckpointError, ManifestError
from spatial_llm.projectors import Projector
from spatial_llm.training.engine.trainable import freeze
from spatial_llm.training.tiny.scene_tokens import FILE, NO_SOURCE, SceneTokens, place_numbers


def scene_tokens_of(folder: str | Path, language_model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> SceneTokens:
    """The tokens in which the language model in `folder` was told scenes, frozen.

    Raises:
        CheckpointError: it was not told scenes in tokens.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {FILE}: teach: scenes needs a language model of recipes/pretrain_text.py that was told scenes "
            "in tokens (scene_tokens)."
        )
    with safe_open(path, "pt") as file:
        labels = json.loads(file.metadata()["labels"])
    told = SceneTokens(language_model, tokenizer, labels)
    told.go_on_from(str(folder))
    return freeze(told)


class SceneAlignmentDataset(Dataset):
    """The recordings of a data set, each once: `audio_hidden_states` (tokens, width), `classes` (sources,) and `places`
    (sources, PLACE_NUMBERS). A token tells one class: of a source of several (AudioSet), the first.

    Args:
        dataset: of questions about recordings whose encoder output was computed ahead.
        labels: classes, in the order of `SceneTokens`.
        most: sources that can be told.

    Raises:
        ManifestError: a recording does not say who sounds where, has a class that is not among `labels`, or more sources.
    """

    def __init__(self, dataset: SpatialQADataset, labels: Sequence[str], most: int) -> None:
        number = {label: index for index, label in enumerate(labels)}
        self.dataset, self.names = dataset, list(dataset.first_rows)
        self.classes, self.places = [], []
        for row in dataset.first_rows.values():
            record = dataset.records[row]
            sources = targets_of(record)
            unknown = [label for source in sources for label in source.labels if label not in number]
            if unknown or len(sources) > most:
                raise ManifestError(
                    f"record {record.id!r} of {dataset.records.path} has {len(sources)} sources"
                    + (f", among them {unknown[0]!r}" if unknown else "")
                    + f"; expected at most {most} (the projector's queries) of the classes that the language model was told."
                )
            self.classes.append(torch.tensor([number[source.labels[0]] for source in sources]))
            self.places.append(torch.tensor([place_numbers(source) for source in sources]))

    def __len__(self) -> int:
        return len(self.names)

    def sample_id(self, index: int) -> str:
        """The recording of `dataset[index]`."""
        return self.names[index]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        heard = self.dataset.audio_hidden_states[self.names[index]]
        return {"audio_hidden_states": heard, "classes": self.classes[index], "places": self.places[index]}


def collate_scenes(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A batch of `SceneAlignmentDataset`: `classes` (B, most sources), NO_SOURCE where a recording has fewer."""
    return {
        "audio_hidden_states": torch.stack([sample["audio_hidden_states"] for sample in samples]),
        "classes": pad_sequence([s["classes"] for s in samples], batch_first=True, padding_value=NO_SOURCE),
        "places": pad_sequence([sample["places"] for sample in samples], batch_first=True),
    }


class SceneTokenAlignment(nn.Module):
    """A projector that learns to tell scenes in tokens.

    Args:
        projector: trains.
        told: frozen, from `scene_tokens_of`.
        layout: of the encoder's tokens.
    """

    def __init__(self, projector: Projector, told: SceneTokens, layout: TokenLayout) -> None:
        super().__init__()
        self.projector, self.told, self.layout = projector, told, layout

    def forward(
        self, audio_hidden_states: torch.Tensor, classes: torch.Tensor, places: torch.Tensor, **_: Any
    ) -> CausalLMOutput:
        """A batch of `collate_scenes` -> output whose `loss` is the squared distance between a token and what it shall tell,
        mean over the tokens."""
        tokens = self.projector(audio_hidden_states, layout=self.layout).last_hidden_state.float()
        with torch.no_grad():
            truth, nobody = self.told.tokens(classes, places).float(), self.told.nobody.float()
        silent = (tokens - nobody).square().sum(-1)  # (B, queries): cost of telling nobody
        more = (tokens[:, :, None] - truth[:, None]).square().sum(-1) - silent[..., None]  # (B, queries, sources)
        assigned = [self._least(each, who) for each, who in zip(more, classes, strict=True)]
        return CausalLMOutput(loss=(silent.sum(-1) + torch.stack(assigned)).mean() / tokens.shape[1])

    @staticmethod
    def _least(cost: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Sum of the cheapest assignment of the sources that are there to different queries."""
        there = cost[:, classes != NO_SOURCE]
        queries, sources = linear_sum_assignment(there.detach().cpu().numpy())
        return there[queries, sources].sum()
