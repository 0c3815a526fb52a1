"""Write what a model was taught into its folder, for models trained before the recipe did so.

    python recipes/write_taught.py --model runs/x/model --manifest runs/x/data/train.jsonl
    python recipes/write_taught.py --model spatial_llm/shipped/tiny --questions recipes/configs/tiny/presence_questions.yaml
        --credits spatial_llm/shipped/tiny/credits.csv

The first form reads the manifest that the model was trained on. The second lets the same question writer ask about drawn
scenes of the sounds in credits.csv, which gives the same wordings. `ask` then finds the taught question that is nearest to a
text. The folder is sealed as it is then.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.data.manifest import open_manifest
from spatial_llm.data.taught import taught_by_lines
from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.resealing import reseal
from spatial_llm.model.taught_file import write_taught
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.text_corpus import asked_scenes
from spatial_llm.ranges import Count
from spatial_llm.settings import parse_arguments, read_yaml

DRAWN, SEED = 60_000, 0  # questions of drawn scenes: all wordings, and the sounds, occur often


@dataclass
class Arguments:
    """Sets whose file to write, and from what.

    Attributes:
        model: folder of a saved model.
        manifest: the manifest that it was trained on.
        questions: in its place, the YAML of data/write_questions.py that wrote it.
        credits: with `questions`, CSV with the column label: the sounds of training.
        most_sources: with `questions`, most sources of a recording of training.
    """

    model: str
    manifest: str | None = None
    questions: str | None = None
    credits: str | None = None
    most_sources: Count = 2


def drawn(questions: Path, credits: Path, most_sources: int) -> Iterator[dict]:
    """Yields the questions about drawn scenes as lines of a manifest."""
    try:
        config = QuestionConfig(**read_yaml(questions).content["writing"]["questions"])
    except (KeyError, TypeError):
        raise SpatialLLMError(f"{questions}: no `writing: questions:`; give a YAML of data/write_questions.py.") from None
    with credits.open(encoding="utf-8", newline="") as lines:
        labels = sorted({row["label"] for row in csv.DictReader(lines)})
    for scene, asked in asked_scenes(labels, DRAWN, SEED, config=config, most_sources=most_sources):
        sources = [{"label": source.label} for source in scene.sources]
        for item in asked:
            yield vars(item) | {"about": item.about.to_dict(), "scene": {"sources": sources}}


def main(arguments: Arguments) -> None:
    if arguments.manifest is not None:
        lines = open_manifest(arguments.manifest).lines()
    elif arguments.questions is not None and arguments.credits is not None:
        lines = drawn(Path(arguments.questions), Path(arguments.credits), arguments.most_sources)
    else:
        raise SpatialLLMError("neither a manifest, nor questions and credits; give --manifest, or both of the others.")
    taught = taught_by_lines(lines)
    if taught is None:
        raise SpatialLLMError(f"{arguments.manifest or arguments.questions}: no question in it.")
    write_taught(arguments.model, taught)
    reseal(arguments.model)
    print(f"{arguments.model}: {len(taught.questions)} questions, {len(taught.labels)} sounds")


if __name__ == "__main__":
    with door():
        main(parse_arguments(Arguments, description=__doc__))
