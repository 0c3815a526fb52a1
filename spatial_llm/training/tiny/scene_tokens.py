"""Scene tokens: one embedding per source, on which a language model is pre-trained in place of audio tokens.

    token = NAME_SCALE * mean embedding of the tokens that spell the class + PLACE_SCALE * MLP(place of the source)

In words a source takes a dozen tokens. To answer about one of two sources, the model must find it by its name and then read
the tokens after the name; a model of a few million parameters did not learn these two steps in 4,000 steps of text. A scene
token holds class and place together, and the class by the same embeddings that spell it in a question. A projector can learn
to produce such tokens (`finetune.lessons.scenes`); it then replaces this module, whose MLP trains with the language model.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from spatial_llm.data.targets import Target
from spatial_llm.errors import CheckpointError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.text_corpus import AskedScene
from spatial_llm.training.tiny.text_rows import Batch, Ids, Turn, text_collator, turns_of

PLACE_NUMBERS = 9
HIDDEN = 256
# A token starts as mostly its class, so that it is found by its name: with both scales at 1, 800 steps did not teach that.
NAME_SCALE, PLACE_SCALE = 2.0, 0.3
NO_SOURCE = -1  # the class of a token without a source
FILE = "scene_tokens.safetensors"

SceneTensors = tuple[torch.Tensor, torch.Tensor]  # classes (count,) and places (count, PLACE_NUMBERS) of a scene


def place_numbers(source: HeardSource | Target) -> list[float]:
    """Returns the place of a source as PLACE_NUMBERS numbers of magnitude about 1: the unit vector to it (front, left, up),
    cosine and sine of its azimuth and of twice its azimuth, the logarithm of its distance in metres, and a quarter of it."""
    azimuth = math.radians(source.azimuth_deg)
    angles = [turn(times * azimuth) for times in (1, 2) for turn in (math.cos, math.sin)]
    towards = direction_to_vector(source.azimuth_deg, source.elevation_deg)
    return [*map(float, towards), *angles, math.log(source.distance_m), source.distance_m / 4]


class SceneTokenDataset(Dataset):
    """Scenes with all their questions; each time a scene is used, its sources get random positions among `count` tokens.

    Args:
        scenes: scenes from `questions.text_corpus.asked_scenes`.
        labels: classes, in the order of `SceneTokens`.
        tokenizer: the tokenizer of the language model.
        count: number of tokens of a scene, at least its number of sources.
    """

    def __init__(
        self,
        scenes: Sequence[AskedScene],
        labels: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        count: int,
    ) -> None:
        number = {label: index for index, label in enumerate(labels)}
        self.count, self.blank = count, tokenizer.pad_token_id
        turns = iter(turns_of(tokenizer, [(item.question, item.answer) for _, asked in scenes for item in asked]))
        self.turns: list[list[Turn]] = [[next(turns) for _ in asked] for _, asked in scenes]
        self.classes = [torch.tensor([number[source.label] for source in scene.sources]) for scene, _ in scenes]
        self.places = [torch.tensor([place_numbers(source) for source in scene.sources]) for scene, _ in scenes]

    def __len__(self) -> int:
        return len(self.turns)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns `scene` (ids in the positions of the scene tokens), `turns`, `classes` (count,) and `places` (count,
        PLACE_NUMBERS)."""
        seats = torch.randperm(self.count)[: len(self.classes[index])]
        classes, places = torch.full((self.count,), NO_SOURCE), torch.zeros(self.count, PLACE_NUMBERS)
        classes[seats], places[seats] = self.classes[index], self.places[index]
        return {"scene": [self.blank] * self.count, "turns": self.turns[index], "classes": classes, "places": places}

    def questions(self) -> list[tuple[tuple[SceneTensors, Ids], Ids]]:
        """Returns ((scene, prompt), answer) for every question."""
        scenes = [self[index] for index in range(len(self))]
        return [
            (((scene["classes"], scene["places"]), prompt), answer) for scene in scenes for prompt, answer in scene["turns"]
        ]


def scene_token_collator(pad_token_id: int) -> Callable[[list[dict[str, Any]]], Batch]:
    """Returns the collator of `text_rows.text_collator` with `classes` (B, count) and `places` (B, count, PLACE_NUMBERS)."""
    rows = text_collator(pad_token_id)

    def collate(samples: list[dict[str, Any]]) -> Batch:
        scenes = {name: torch.stack([sample[name] for sample in samples]) for name in ("classes", "places")}
        return rows([(sample["scene"], sample["turns"]) for sample in samples]) | scenes

    return collate


class SceneTokens(nn.Module):
    """A language model that reads scene tokens.

    Args:
        language_model: the language model; its input embeddings spell the classes.
        tokenizer: its tokenizer.
        labels: the classes.
    """

    def __init__(self, language_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> None:
        super().__init__()
        width = language_model.get_input_embeddings().embedding_dim
        self.language_model, self.labels = language_model, list(labels)
        self.place = nn.Sequential(nn.Linear(PLACE_NUMBERS, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, width))
        self.name_scale = nn.Parameter(torch.tensor(NAME_SCALE))
        self.nobody = nn.Parameter(0.1 * torch.randn(width))
        spelled = [torch.tensor(ids) for ids in tokenizer(list(labels), add_special_tokens=False)["input_ids"]]
        ids = pad_sequence(spelled, batch_first=True, padding_value=NO_SOURCE)
        share = (ids != NO_SOURCE).float()
        self.register_buffer("spelled", ids.clamp(min=0), persistent=False)
        self.register_buffer("share", share / share.sum(1, keepdim=True), persistent=False)

    def tokens(self, classes: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Embeds classes (B, count) and places (B, count, PLACE_NUMBERS) as scene tokens (B, count, width)."""
        spelled = self.language_model.get_input_embeddings()(self.spelled)
        names = (spelled * self.share[..., None]).sum(1)
        tokens = self.name_scale * names[classes.clamp(min=0)] + PLACE_SCALE * self.place(places)
        return torch.where((classes == NO_SOURCE)[..., None], self.nobody, tokens)

    def embed(self, input_ids: torch.Tensor, classes: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Embeds rows (B, length), whose first `count` ids are replaced by scene tokens, as (B, length, width)."""
        words = self.language_model.get_input_embeddings()(input_ids[:, classes.shape[1] :])
        return torch.cat([self.tokens(classes, places).to(words.dtype), words], dim=1)

    def forward(self, input_ids: torch.Tensor, classes: torch.Tensor, places: torch.Tensor, **rows: torch.Tensor) -> Any:
        """Returns the language model's output, with its loss, for a batch of `scene_token_collator`."""
        return self.language_model(inputs_embeds=self.embed(input_ids, classes, places), use_cache=False, **rows)

    def prompts(self, asked: Sequence[tuple[SceneTensors, Ids]]) -> dict[str, torch.Tensor]:
        """Returns `inputs_embeds` and `attention_mask` of scenes and prompts for `generate`, padded on the left."""
        words, rows = self.language_model.get_input_embeddings(), []
        for (classes, places), prompt in asked:
            scene = self.tokens(classes[None], places[None])[0]
            rows.append(torch.cat([scene, words(torch.tensor(prompt, device=scene.device))]))
        mask = pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True, padding_side="left")
        embeds = pad_sequence(rows, batch_first=True, padding_side="left")
        return {"inputs_embeds": embeds, "attention_mask": mask.long().to(embeds.device)}

    def save(self, folder: Path) -> None:
        """Writes the parameters that are not the language model's to a file in `folder`."""
        own = {name: value.contiguous() for name, value in self.state_dict().items() if name in self._own_names()}
        save_file(own, folder / FILE, metadata={"labels": json.dumps(self.labels)})

    def go_on_from(self, folder: str | None) -> None:
        """Loads the file that `save` wrote beside the language model of an earlier run, if there is one.

        Raises:
            CheckpointError: that run had other classes.
        """
        if folder is None or not (path := Path(folder) / FILE).is_file():
            return
        with safe_open(path, "pt") as file:
            labels = json.loads(file.metadata()["labels"])
            if labels != self.labels:
                raise CheckpointError(
                    f"{path} was made with the classes {labels}, this run has {self.labels}; give the same."
                )
            own = {name: file.get_tensor(name) for name in self._own_names()}
        self.load_state_dict({**self.state_dict(), **own})

    def _own_names(self) -> list[str]:
        return [name for name in self.state_dict() if not name.startswith("language_model.")]
