"""Publishes a model on the Hugging Face hub, with a card that says what it is for, how to use it and what it cannot do.

The card is written here and not by `save_pretrained`, as in transformers: a folder that is saved in every run of a training
holds what loading reads, and a card that a person wrote into it stays.
"""

import contextlib
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import HfApi, ModelCard, ModelCardData
from safetensors import safe_open
from transformers import PreTrainedModel

from spatial_llm.audio.formats import Field
from spatial_llm.encoders.folder_files import read_json
from spatial_llm.encoders.frame_head import FRAME_HEAD
from spatial_llm.encoders.readout import HEADS
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.packing import WEIGHTS
from spatial_llm.shipped import is_shipped

if TYPE_CHECKING:  # the pipeline publishes itself by this module
    from spatial_llm.model.pipeline import SpatialLLM

CARD = "README.md"
PROVENANCE = "provenance.json"  # beside the model in a run folder
METADATA: dict[str, Any] = {
    "library_name": "spatial-llm",
    "pipeline_tag": "audio-text-to-text",
    "language": "en",  # of the questions that this library makes
    "tags": ["spatial-audio", "audio-question-answering", "sound-localization"],
}
# Files of an earlier push that loading would take for the new model's.
_STALE = ["model*.safetensors", "model.safetensors.index.json", HEADS, FRAME_HEAD]
_MOST_LABELS = 60  # that a card lists


def push_to_hub(
    model: "SpatialLLM",
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str = "Upload SpatialLLM",
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """Creates the repository if there is none, and uploads the whole model with its card in one commit.

    A card that the repository has already is kept, with a warning, because a person may have written it. The model of the
    package has a card of its own, which goes with it while its weights are unchanged.

    Args:
        model: it is not changed.
        repo_id: "user/name" or "organization/name".
        private: whether a new repository is private; default: as the organization has it, else public.
        token: of the hub; default: that of `hf auth login`.
        revision: branch to commit to; default: main.
        commit_message: of the one commit.
        metadata: fields of the card's header (`huggingface_hub.ModelCardData`) beside or instead of those found, such as
            {"license": "cc-by-nc-4.0"}.

    Returns:
        the address of the commit.

    Raises:
        SpatialLLMError: the hub is not reached, or refuses name, token or files; its reason is given.
    """
    api = HfApi(token=token)
    with _hub_errors(repo_id):
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        kept = api.file_exists(repo_id, CARD, revision=revision)
        parts = (model.model.encoder, model.model.language_model)
        bases = [part.name_or_path for part in parts if _may_be_repository(part.name_or_path)]
        bases = [base for base in bases if api.repo_exists(base)]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        write_card(model, Path(folder), repo_id, bases, metadata)
        if kept:
            warnings.warn(f"{repo_id} has a card already, which is kept: delete its {CARD} for a new one.", stacklevel=3)
        with _hub_errors(repo_id):
            done = api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                revision=revision,
                commit_message=commit_message,
                ignore_patterns=[CARD] if kept else None,
                delete_patterns=_STALE,
            )
    return str(done.commit_url)


def write_card(
    model: "SpatialLLM",
    folder: Path,
    name: str,
    bases: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes the card of a model to the folder that it was saved to; arguments as of `model_card`.

    For the unchanged model of the package, its own card is written, with the credits and logs that it names.
    """
    source = Path(model.model.name_or_path)
    if not _is_as_shipped(model.model, source):
        model_card(model, name, bases, metadata).save(folder / CARD)
        return
    for path in source.iterdir():
        if path.is_file() and path.suffix not in (".safetensors", ".json"):  # which the model has saved itself
            shutil.copyfile(path, folder / path.name)
    card = ModelCard.load(source / CARD)
    for field, value in (metadata or {}).items():
        card.data[field] = value
    card.save(folder / CARD)


def model_card(
    model: "SpatialLLM", name: str, bases: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
) -> ModelCard:
    """Returns the card of a model.

    Args:
        model: the model.
        name: by which `from_pretrained` finds it.
        bases: names on the hub of the models that it was made of.
        metadata: see `push_to_hub`.
    """
    fields = METADATA | ({"base_model": list(bases)} if bases else {}) | dict(metadata or {})
    labels = getattr(model.model.config.encoder_config, "event_labels", None) or []
    sections = [
        f"# {name.rpartition('/')[2]}",
        _purpose(model, labels),
        f"## How to use it\n\n{_usage(name, model)}",
        f"## What it cannot do\n\n{_limits(model, fields.get('license'))}",
        f"## Parts\n\n{_parts(model)}",
        *_training(model.model.name_or_path),
    ]
    return ModelCard(f"---\n{ModelCardData(**fields).to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n")


def _purpose(model: "SpatialLLM", labels: Sequence[str]) -> str:
    config = model.model.config.encoder_config
    sounds = f" Its encoder knows {len(labels)} classes of sounds."
    if labels and len(labels) <= _MOST_LABELS:
        sounds = f" Its encoder knows these sounds: {'; '.join(labels)}."
    return (
        f"This model answers questions in words about recordings of {config.duration_s:g} s: what sounds, where, how far. "
        f"It takes {_channels(model)}, at any sampling rate (it works at {config.sampling_rate:,} Hz)."
        f"{sounds if labels else ''}"
    )


def _channels(model: "SpatialLLM") -> str:
    form = model.processor.feature_extractor.default_format
    if isinstance(form, Field):
        return f"ambisonics{' and arrays' if form.arrays else ''}, whose format is given with each recording"
    names = ", ".join(form.channel_names)
    return f"{form.channels} channels, {form.name}" + (f" ({names})" if names else "")


def _usage(name: str, model: "SpatialLLM") -> str:
    said = ', format="foa"' if isinstance(model.processor.feature_extractor.default_format, Field) else ""
    lines = [
        "from spatial_llm import SpatialLLM  # pip install spatial-llm",
        "",
        f'model = SpatialLLM.from_pretrained("{name}")',
        f'heard = model.listen("recording.wav"{said})',
        'print(heard.ask("Where is the sound coming from?"))',
    ]
    if model.heads is not None:
        lines.append("print(heard.events, heard.azimuth.best)  # what its encoder hears by itself")
    return "\n".join(["```python", *lines, "```"])


def _limits(model: "SpatialLLM", licence: str | None) -> str:
    config = model.model.config.encoder_config
    lines = [
        f"It hears {config.duration_s:g} s at once; of a longer recording `listen` takes the loudest part, and `timeline` "
        "one window after the other.",
        "It answers in the manner of the questions and answers of its training. To other questions, and about other "
        "sounds, its answers are guesses.",
        "No scores stand in this card. Score it on recordings like yours before you rely on it.",
    ]
    if licence is None:
        lines.append("Its licence is not stated here; those of its encoder, language model and data go on.")
    return "\n".join(f"* {line}" for line in lines)


def _parts(model: "SpatialLLM") -> str:
    net, config = model.model, model.model.config
    rows = [
        ("encoder", net.encoder.config.model_type, _width(net.encoder), _count(net.encoder)),
        ("projector", net.projector.config.model_type, _width(net.projector), _count(net.projector)),
        ("fusion", config.joined_by.name, f"{config.num_audio_tokens} placeholders of audio in a prompt", ""),
        ("language model", net.language_model.config.model_type, _width(net.language_model), _count(net.language_model)),
    ]
    if config.lora is not None:
        rank, targets = config.lora["rank"], ", ".join(config.lora["target_modules"])
        added = sum(one.numel() for name, one in net.language_model.named_parameters() if ".lora_" in name)
        rows.append(("LoRA", f"rank {rank}, alpha {config.lora['alpha']:g}", targets, f"{added:,}, counted above too"))
    return _table(("part", "kind", "size", "parameters"), rows)


def _width(part: PreTrainedModel) -> str:
    config = part.config.get_text_config()
    sizes = {"width": getattr(config, "hidden_size", None), "layers": getattr(config, "num_hidden_layers", None)}
    return ", ".join(f"{name} {value}" for name, value in sizes.items() if isinstance(value, int))


def _count(part: PreTrainedModel) -> str:
    return f"{part.num_parameters():,}"


def _training(folder: str) -> list[str]:
    """Returns the section on the training that made the folder which the model was loaded from, if it is a run's."""
    found = [path for path in (Path(folder, PROVENANCE), Path(folder).parent / PROVENANCE) if folder and path.is_file()]
    if not found or not os.path.isdir(folder):
        return []
    made = read_json(found[0])
    rows = [(name, f"`{made[name]}`") for name in ("seed", "git_hash", "manifest_sha256") if made.get(name) is not None]
    versions = made.get("versions")
    rows += [(name, f"`{value}`") for name, value in (versions if isinstance(versions, dict) else {}).items() if value]
    return [f"## Training\n\nOf the saved model that this one was loaded from:\n\n{_table(('what', 'value'), rows)}"]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _is_as_shipped(net: PreTrainedModel, source: Path) -> bool:
    """Returns whether a model is that of the package, with the same weights: numbers on its card hold for no other."""
    if not is_shipped(source):
        return False
    state = net.state_dict()
    with safe_open(source / WEIGHTS, "pt") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    # A tied tensor is stored once and has two names in the state dict.
    return stored.keys() <= state.keys() and all(
        torch.equal(tensor.to(state[key].dtype), state[key].cpu()) for key, tensor in stored.items()
    )


def _may_be_repository(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and not os.path.isdir(name)


@contextlib.contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of the hub's client, of its connection and of its validation: of no common class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SpatialLLMError(
            f"{repo_id} was not published: {reason} Check the name, the connection and `hf auth login`."
        ) from error
