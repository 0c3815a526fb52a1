"""Reads from the lines of a manifest what training on them teaches."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from spatial_llm.questions.derive import Asked, labels_in, taught_by
from spatial_llm.questions.taught import TaughtQuestions
from spatial_llm.scenes.render import DRY_LEVEL_DBFS


def taught_by_lines(lines: Iterable[Mapping[str, Any]], types: Collection[str] | None = None) -> TaughtQuestions | None:
    """Returns what training on the records of a manifest teaches; None if there are none.

    Args:
        lines: of the manifest, as JSON objects that were checked (`Manifest.lines`).
        types: types of records that are trained on; None for all.
    """
    return taught_by(_asked(lines, types))


def _asked(lines: Iterable[Mapping[str, Any]], types: Collection[str] | None) -> Iterator[Asked]:
    for line in lines:
        if types is not None and line["type"] not in types:
            continue
        scene = line.get("scene")
        sources = [] if scene is None else scene["sources"]
        pairs = line.get("pairs") or []
        labels = [source["label"] for source in sources] + [label for pair in pairs for label in pair.get("labels") or ()]
        known = line.get("known") or {}
        sounds = known.get("sounds") or []
        labels += [*(known.get("labels") or ()), *(sound["label"] for sound in sounds)]
        labels += labels_in(line["truth"], line.get("about", {}).get("absent"))
        gains = [source.get("gain_db", 0.0) for source in sources]
        # A source is rendered at this level with 1/r, which is 1 at 1 m; heads amplify sound from the front by about 0 dB.
        level = DRY_LEVEL_DBFS + sum(gains) / len(gains) if gains else None
        yield Asked(
            line["question_type"],
            line["question"],
            line["answer"],
            line["truth"],
            labels,
            len(sources or pairs or sounds),
            level,
        )
