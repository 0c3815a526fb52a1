"""Scores captions: CIDEr by pycocoevalcap (extra `captions`), and an F1 of scene tuples of our own, which is not SPICE.

CIDEr (Vedantam et al., arXiv 1411.5726) is computed by the kept library's own scorer. Only the words that it gets are
ours: the library's tokenizer is a Java program, so texts lose the characters of ASCII punctuation and their case and are
divided at blanks. LTU's script does the same before it calls that tokenizer (github.com/YuanGongND/ltu,
src/ltu/eval/eval_audiocaps.py), which then still divides a few words such as "cannot"; so values are near published ones and
not equal to them.

SPICE needs Java and a parser of English sentences, and is left to those who have them. Captions of scenes say more than
sentences do: their parsers read which sound is where and when, and the F1 of these tuples asks what SPICE asks of objects,
attributes and relations.
"""

import importlib
import importlib.util
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.answers.axes import AXES
from spatial_llm.errors import ManifestError, SpatialLLMError

LIBRARY = "pycocoevalcap"
DISTANCE_STEP_M, ANGLE_STEP_DEG, TIME_STEP_S = 0.5, 10.0, 1.0
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words_of_caption(text: str) -> str:
    """Returns a caption as CIDEr compares it: what stands behind the last colon ("Audio caption: ..."), in lower case,
    without ASCII punctuation, one blank between words."""
    return " ".join(text.rpartition(":")[2].translate(_NO_PUNCTUATION).lower().split())


def cider_of_items(texts: Sequence[str], references: Sequence[str], recordings: Sequence[str]) -> NDArray[np.float64]:
    """Returns the CIDEr of each item, from 0 to 10.

    All references of a recording count for each of its items, and the frequencies of n-grams are those among the recordings.

    Args:
        texts: answer of each item.
        references: true caption of each item.
        recordings: recording of each item; items of one recording have its other captions.

    Raises:
        SpatialLLMError: pycocoevalcap is not installed.
        ManifestError: there is one recording alone, in which CIDEr is 0 whatever was said.
    """
    rows: dict[str, list[int]] = {}
    for row, recording in enumerate(recordings):
        rows.setdefault(recording, []).append(row)
    if len(rows) < 2:
        raise ManifestError("CIDEr weighs words by how rare they are among the recordings, and there is one; give more.")
    scorer = _needed_scorer()
    truths = {recording: [words_of_caption(references[row]) for row in own] for recording, own in rows.items()}
    values = np.zeros(len(texts))
    for turn in range(max(map(len, rows.values()))):
        chosen = {recording: own[min(turn, len(own) - 1)] for recording, own in rows.items()}
        said = {recording: [words_of_caption(texts[row])] for recording, row in chosen.items()}
        _, found = scorer.Cider().compute_score(truths, said)
        values[list(chosen.values())] = found
    return values


def _needed_scorer() -> Any:
    if importlib.util.find_spec(LIBRARY) is None:
        raise SpatialLLMError('pycocoevalcap is needed for CIDEr: pip install "spatial-llm[captions]".')
    return importlib.import_module(f"{LIBRARY}.cider.cider")


def scene_tuples(events: Sequence[Mapping[str, Any]]) -> Counter[tuple[str, ...]]:
    """Returns what a caption with times says, as counted tuples: (sound), (sound, side) for each side, and (sound,
    distance), (sound, azimuth), (sound, elevation), (sound, from), (sound, to), each to the nearest step.

    Args:
        events: of `answers.kinds.timed_caption`.
    """
    found: Counter[tuple[str, ...]] = Counter()
    for event in events:
        label = event["label"]
        found[label,] += 1
        found.update((label, event[axis]) for axis in AXES if axis in event)
        for name, key, step in (
            ("distance", "distance_m", DISTANCE_STEP_M),
            ("azimuth", "azimuth_deg", ANGLE_STEP_DEG),
            ("elevation", "elevation_deg", ANGLE_STEP_DEG),
            ("from", "onset_s", TIME_STEP_S),
            ("to", "offset_s", TIME_STEP_S),
        ):
            if event.get(key) is not None:
                found[label, name, f"{step * round(event[key] / step) + 0.0:g}"] += 1
    return found


def tuple_f1(said: Sequence[Mapping[str, Any]] | None, true: Sequence[Mapping[str, Any]]) -> float:
    """Returns the F1 of scene tuples, 0 to 1: 0 if the caption is unparsed, 1 if both say that nothing sounds."""
    if said is None:
        return 0.0
    one, other = scene_tuples(said), scene_tuples(true)
    both = one.total() + other.total()
    return 2 * (one & other).total() / both if both else 1.0
