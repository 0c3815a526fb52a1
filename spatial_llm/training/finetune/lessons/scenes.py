"""The lesson "scenes": the projector alone learns to map a recording to the scene tokens of a language model.

A language model that was trained on scene tokens (`training.tiny.scene_tokens`) finds one of two sources by its name,
because one token holds one source: its class and its place. The loss on answers does not ask for such audio tokens. Trained
by that loss alone, the shipped model compared two sounds hardly better than chance, although class queries on its encoder
did well. So the projector first learns the tokens themselves:

    recording -> encoder (frozen, cached) -> projector -> (queries, width)
                                                             |  squared distance, by the assignment of least cost
    record    -> SceneTokens (frozen)     ----------------> (sources, width); a query without a source: the "no source" token

Which query holds which source is free: permutation-invariant training (Yu et al., ICASSP 2017), with the assignment of least
cost as in DETR (Carion et al., ECCV 2020).
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
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import CausalLMOutput

from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.targets import targets_of
from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import CheckpointError, ManifestError, SpatialLLMError
from spatial_llm.fusion import read_fusion
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.training.engine.trainable import freeze
from spatial_llm.training.finetune.lessons.lesson import Lesson, Material
from spatial_llm.training.tiny.scene_tokens import FILE, NO_SOURCE, SceneTokens, place_numbers


def scene_tokens_of(folder: str | Path, language_model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> SceneTokens:
    """Returns the frozen scene tokens that the language model in `folder` was trained on.

    Raises:
        CheckpointError: the language model was not trained on scene tokens.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {FILE}: teach: scenes needs a language model of recipes/pretrain_text.py that was trained on "
            "scene tokens (scene_tokens)."
        )
    with safe_open(path, "pt") as file:
        labels = json.loads(file.metadata()["labels"])
    scene_tokens = SceneTokens(language_model, tokenizer, labels)
    scene_tokens.go_on_from(str(folder))
    return freeze(scene_tokens)


class SceneAlignmentDataset(Dataset):
    """The recordings of a data set, each once.

    A sample holds `audio_hidden_states` (tokens, width), `classes` (sources,) and `places` (sources, PLACE_NUMBERS). A scene
    token holds one class; of a source with several (AudioSet) it is the first.

    Args:
        dataset: questions about recordings, with cached encoder output.
        labels: the classes, in the order of `SceneTokens`.
        most: the largest number of sources of a recording.

    Raises:
        ManifestError: a record has no scene, a class that is not among `labels`, or more sources.
    """

    def __init__(self, dataset: SpatialQADataset, labels: Sequence[str], most: int) -> None:
        number = {label: index for index, label in enumerate(labels)}
        self.dataset, self.names = dataset, list(dataset.places)
        self.classes, self.places = [], []
        for record in dataset.recordings:
            sources = targets_of(record)
            unknown = [label for source in sources for label in source.labels if label not in number]
            if unknown or len(sources) > most:
                raise ManifestError(
                    f"record {record.id!r} of {dataset.records.path} has {len(sources)} sources"
                    + (f", among them {unknown[0]!r}" if unknown else "")
                    + f"; expected at most {most} (the projector's queries), of the language model's classes."
                )
            self.classes.append(torch.tensor([number[source.labels[0]] for source in sources]))
            self.places.append(torch.tensor([place_numbers(source) for source in sources]))

    def __len__(self) -> int:
        return len(self.names)

    def sample_id(self, index: int) -> str:
        """Returns the id of the recording of `self[index]`."""
        return self.names[index]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        encoded = self.dataset.audio_hidden_states[self.names[index]]
        return {"audio_hidden_states": encoded, "classes": self.classes[index], "places": self.places[index]}


def collate_scenes(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Collates samples of `SceneAlignmentDataset`.

    Returns:
        `audio_hidden_states` (B, tokens, width), `classes` (B, most sources of the batch), NO_SOURCE where a recording has
        fewer, and `places` (B, most sources, PLACE_NUMBERS).
    """
    return {
        "audio_hidden_states": torch.stack([sample["audio_hidden_states"] for sample in samples]),
        "classes": pad_sequence([s["classes"] for s in samples], batch_first=True, padding_value=NO_SOURCE),
        "places": pad_sequence([sample["places"] for sample in samples], batch_first=True),
    }


class SceneTokenAlignment(nn.Module):
    """A projector that trains, and the frozen scene tokens that it learns to produce.

    Args:
        projector: the projector of the composite.
        scene_tokens: from `scene_tokens_of`.
        layout: of the encoder's tokens.
    """

    def __init__(self, projector: nn.Module, scene_tokens: SceneTokens, layout: TokenLayout) -> None:
        super().__init__()
        self.projector, self.layout = projector, layout
        self.told = scene_tokens  # checkpoints hold a hash of the frozen part under this name

    def forward(
        self, audio_hidden_states: torch.Tensor, classes: torch.Tensor, places: torch.Tensor, **_: Any
    ) -> CausalLMOutput:
        """Returns the loss of a batch of `collate_scenes`: the squared distance of each projector token to its scene token,
        summed over the width, mean over tokens and batch, and the projector's own."""
        heard = self.projector(audio_hidden_states, layout=self.layout)
        tokens, own_loss = heard.last_hidden_state.float(), 0.0 if heard.loss is None else heard.loss
        with torch.no_grad():
            truth, nobody = self.told.tokens(classes, places).float(), self.told.nobody.float()
        no_source = (tokens - nobody).square().sum(-1)  # (B, queries): cost of holding no source
        more = (tokens[:, :, None] - truth[:, None]).square().sum(-1) - no_source[..., None]  # (B, queries, sources)
        assigned = [self._least(each, who) for each, who in zip(more, classes, strict=True)]
        return CausalLMOutput(loss=(no_source.sum(-1) + torch.stack(assigned)).mean() / tokens.shape[1] + own_loss)

    @staticmethod
    def _least(cost: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Returns the cost of the cheapest assignment of the sources that are there to different queries."""
        present = cost[:, classes != NO_SOURCE]
        queries, sources = linear_sum_assignment(present.detach().cpu().numpy())
        return present[queries, sources].sum()


def _prepare(arguments: Any, model: PreTrainedModel, processor: SpatialLLMProcessor, dataset: SpatialQADataset) -> Material:
    scene_tokens = scene_tokens_of(arguments.language_model, model.language_model, processor.tokenizer)
    samples = SceneAlignmentDataset(dataset, scene_tokens.labels, most=processor.num_audio_tokens)
    layout = model.config.encoder_config.token_layout
    return Material(SceneTokenAlignment(model.projector, scene_tokens, layout), samples, collate_scenes)


def _check(arguments: Any) -> None:
    if read_fusion(arguments.fusion).deep or arguments.trains != "adapters":
        raise SpatialLLMError(
            f"teach: scenes with fusion {arguments.fusion} and trains {arguments.trains}; scene tokens stand in the prompt "
            "and the projector alone learns them: leave both out."
        )
    if not arguments.encoder_cache or arguments.language_model is None:
        raise SpatialLLMError(
            f"teach: scenes with encoder_cache {arguments.encoder_cache} and language_model {arguments.language_model}; it "
            "needs encoder_cache: true, and the folder of a language model that was trained on scene tokens."
        )


LESSON = Lesson(_prepare, _check)
