"""Controls: the same model on recordings that hold less information, or other information.

A model that answers as well without its audio as with it does not use its input. `predict` runs the controls of its task,
each with the questions unchanged: `no_audio`, `other_audio`, `ears_swapped`, `ears_equal`, and for questions about motion
`time_reversed` (see `CONTROLLED`). Answers to recordings with swapped channels are scored twice: against the truth, and
against that of the mirror image (`questions.mirroring`); those to reversed recordings against the truth, and against that of
the reversed recording (`questions.reversing`).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy import float32
from numpy.typing import NDArray

from spatial_llm.audio.formats import BINAURAL, AudioFormat, Field, needs_ears
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet, Item

Load = Callable[[Item, int, int, AudioFormat], NDArray[float32]]


def no_audio(waveform: NDArray[float32], format: AudioFormat) -> NDArray[float32]:
    """Returns digital silence of the same length in all channels.

    Zeros are used instead of noise, because noise is a sound with a place and a class of its own that a model may name.
    Silence holds no information about any source and has the shape that the model expects. No model was trained on it, so
    the answers then come from the question and from the model's prior.
    """
    return np.zeros_like(waveform)


def ears_swapped(waveform: NDArray[float32], format: AudioFormat) -> NDArray[float32]:
    """Exchanges left and right (see `AudioFormat.mirror`): the mirror image, exactly so for a head that is the same on
    both sides."""
    return format.mirror(waveform)


def ears_equal(waveform: NDArray[float32], format: AudioFormat) -> NDArray[float32]:
    """Puts the mean of both ears into each of them. No difference between the ears is left, and neither side is
    preferred, as it would be if one ear were copied. What was equal and opposite in the two cancels."""
    return np.repeat(waveform.mean(axis=0, keepdims=True, dtype=float32), len(waveform), axis=0)


def time_reversed(waveform: NDArray[float32], format: AudioFormat) -> NDArray[float32]:
    """Plays the recording backwards: what went from left to right goes from right to left, at the same places."""
    return np.ascontiguousarray(waveform[:, ::-1])


# how each control changes the recording; other_audio uses the recording of another item unchanged
CONTROLLED: dict[str, Callable[[NDArray[float32], AudioFormat], NDArray[float32]]] = {
    "no_audio": no_audio,
    "other_audio": lambda waveform, format: waveform,
    "ears_swapped": ears_swapped,
    "ears_equal": ears_equal,
    "time_reversed": time_reversed,
}


def control_loader(name: str, evaluation_set: EvaluationSet, seed: int, taken: AudioFormat | None = None) -> Load:
    """Returns what a control uses in place of `evaluation_set.load`: (item, sampling_rate, window_samples, format) to
    (channels, window_samples). The recording is made, brought to the model's window, and then changed. `taken`: what the
    model takes."""
    if name == "no_audio":
        return lambda item, rate, samples, format: no_audio(np.empty((format.channels, samples), float32), format)
    heard: dict[str, Item] = {}
    for item in evaluation_set.items:
        heard.setdefault(item.recording_id, item)
    if name == "other_audio":
        other = partners(heard, seed, taken)
        return lambda item, *window: evaluation_set.load(heard[other[item.recording_id]], *window)
    return lambda item, rate, samples, format: CONTROLLED[name](evaluation_set.load(item, rate, samples, format), format)


def partners(heard: Mapping[str, Item], seed: int, taken: AudioFormat | None) -> dict[str, str]:
    """Returns another recording for each recording, by id (see `derangement`); one of the same format where the model hears
    every recording in its own."""
    by_format: dict[str, list[str]] = {}
    for id, item in heard.items():
        by_format.setdefault(item.format.layout.name if isinstance(taken, Field) else "", []).append(id)
    return {id: other for ids in by_format.values() for id, other in derangement(ids, seed).items()}


def derangement(ids: Sequence[str], seed: int) -> dict[str, str]:
    """Returns another id for each id: one random cycle through all of them (Sattolo's algorithm), the same for the same
    seed. No id is its own partner; the partner's answer may still be the same by chance.

    Raises:
        ManifestError: there is only one id.
    """
    if len(ids) < 2:
        raise ManifestError(
            "control other_audio needs two recordings or more of a format; this set has one: leave the control out."
        )
    rng, cycle = np.random.default_rng(seed), list(range(len(ids)))
    for last in range(len(cycle) - 1, 0, -1):
        other = int(rng.integers(last))
        cycle[last], cycle[other] = cycle[other], cycle[last]
    return {id: ids[at] for id, at in zip(ids, cycle, strict=True)}


def control_items(items: Sequence[Item], recordings: int | None, seed: int) -> list[Item]:
    """Returns the items, in order, of a number of recordings drawn with the seed; all for None, or where there are not
    more."""
    ids = list(dict.fromkeys(item.recording_id for item in items))
    if recordings is None or recordings >= len(ids):
        return list(items)
    drawn = np.random.default_rng(seed).permutation(len(ids))[:recordings]
    chosen = {ids[at] for at in drawn}
    return [item for item in items if item.recording_id in chosen]


def check_controls(names: Sequence[str], evaluation_set: EvaluationSet, taken: AudioFormat | None = None) -> None:
    """Raises ManifestError, before anything is computed, where a control makes no sense for these recordings as a model that
    takes the format `taken` hears them; None: as they are."""
    if "other_audio" in names:
        partners({item.recording_id: item for item in evaluation_set.items}, 0, taken)
    for item in evaluation_set.items:
        heard = item.format if taken is None or not needs_ears(item.format, taken) else taken
        senseless = [name for name in names if name.startswith("ears_") and not _makes_sense(name, heard)]
        if senseless:
            raise ManifestError(
                f"record {item.id!r} is recorded as {item.format.name!r}: {' and '.join(senseless)} needs a left and a "
                "right in the channels; leave it out of the task's controls."
            )


def _makes_sense(name: str, format: AudioFormat) -> bool:
    if name == "ears_equal":
        return format.layout == BINAURAL
    recording = np.eye(format.channels)
    mirrored = format.mirror(recording)
    return mirrored is not None and not np.array_equal(mirrored, recording)
