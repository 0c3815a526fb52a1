"""Clips of the published encoder training: a dry sound, or a mix of two, and one response, drawn each time a clip is used.

Sound and response stay apart in a sample; `CueRenderer` convolves them on the device of the model. Both sounds of a mix
share one response, so a clip has only one place. Source: BAT (arXiv 2402.01591) and the released scripts. All draws come
from torch's random numbers, which the loader seeds in each of its processes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import torch
from torch import nn
from torch.utils.data import Dataset

from spatial_llm.audio.formats import AudioFormat, Field, parse_input_format
from spatial_llm.audio.level import pad_or_cut
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record
from spatial_llm.data.spatialsoundqa.pairs import read_pair_response, read_pair_sound
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import ManifestError, SceneError, SpatialLLMError
from spatial_llm.files import below
from spatial_llm.scenes.reception import is_audible
from spatial_llm.scenes.render import dry_sound, place, scene_responses
from spatial_llm.training.encoder.arguments import ClipArguments

PLACES = ("distance", "azimuth", "elevation")


class ClipDataset(Dataset):
    """Dry sounds and responses with labels.

    A sample holds `dry` (samples,), `response` (channels, taps), `event_labels` (classes,), and one class each as
    `distance_labels`, `azimuth_labels` and `elevation_labels`.

    Args:
        records: one-source recordings.
        labels: their labels, from `localization_labels`.
        root: root of their file names.
        config: the encoder's config, for sampling rate and window.
        clip: what is drawn and mixed, see `ClipArguments`. With `responses` "random" a clip is a distinct dry sound, with
            "own" a recording.

    Raises:
        ManifestError: a recording is not a dry sound with a response in the encoder's format and at its rate; it is named.
    """

    def __init__(
        self,
        records: Sequence[Record],
        labels: dict[str, torch.Tensor],
        root: DataRoot | str | Path,
        config: Any,
        clip: ClipArguments,
    ) -> None:
        format = parse_input_format(config.audio_format)
        if isinstance(format, Field):
            raise SpatialLLMError(
                "stages convolve a batch in one format on the device, and this encoder takes several; train it without "
                "stages, on recordings rendered whole (recipes/configs/field/encoder.yaml)."
            )
        for record in records:
            _check(record, config.sampling_rate, format)
        self.records, self.labels, self.root = records, labels, DataRoot.of(root)
        self.samples, self.taps = config.window_samples, round(clip.response_s * config.sampling_rate)
        self.clip = clip
        own = clip.responses == "own"
        self.sounds = list(range(len(records))) if own else _distinct(map(_sound_key, records))
        self.responses = None if own else _distinct(map(_response_key, records))

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(torch.randint(2**31, (4,)).tolist())
        row = self.sounds[index]
        dry, event = self._sound(row, rng), self.labels["event"][row]
        if rng.random() < self.clip.mixup:
            other = self.sounds[rng.integers(len(self.sounds))]
            share = np.float32(rng.beta(10, 10))
            dry = share * dry + (1 - share) * self._sound(other, rng)
            event = float(share) * event + float(1 - share) * self.labels["event"][other]
        if self.responses is not None:
            row = self.responses[rng.integers(len(self.responses))]
        sample = {f"{task}_labels": self.labels[task][row] for task in PLACES}
        response = pad_or_cut(self._response(row), self.taps)
        return sample | {
            "event_labels": event,
            "dry": torch.from_numpy(dry),
            "response": torch.from_numpy(np.array(response, dtype=np.float32)),
        }

    def sample_id(self, index: int) -> str:
        """Returns the id of the record whose sound clip `index` has."""
        return self.records[self.sounds[index]].id

    def event_labels(self) -> torch.Tensor:
        """Returns the multi-hot labels of the clips, (clips, classes)."""
        return self.labels["event"][self.sounds]

    def _sound(self, row: int, rng: np.random.Generator) -> np.ndarray:
        """Returns a dry sound, prepared for the mix: (samples,) float32."""
        record = self.records[row]
        try:
            if record.pairs is not None:
                sound = read_pair_sound(self.root.path(record.pairs[0].audio))
            else:
                scene = record.scene
                folder = None if scene.sounds is None else below(self.root.folder, scene.sounds)
                sound = place(dry_sound(scene.sources[0], scene, folder), scene.sources[0], scene)
                if not is_audible(sound):
                    raise SceneError(f"{scene.sources[0].recording!r} is silent as it is played; take another part of it.")
        except (SpatialLLMError, OSError) as error:
            raise ManifestError(f"record {record.id!r}: {error}") from error
        sound = pad_or_cut(sound, self.samples).astype(np.float32)
        if self.clip.level == "paper" and (energy := float(np.sum(np.square(sound, dtype=np.float64)))) > 0:
            sound = sound / np.float32(np.sqrt(energy))
        if self.clip.gain:
            sound = sound * np.float32(rng.beta(10, 10) + 0.5)
        if self.clip.circular_shift:
            sound = np.roll(sound, int(rng.integers(len(sound))))
        return sound

    def _response(self, row: int) -> np.ndarray:
        """Returns the whole response of a record (channels, taps)."""
        record = self.records[row]
        try:
            if record.pairs is not None:
                return read_pair_response(self.root.path(record.pairs[0].response))
            return scene_responses(record.scene, self.root.folder)[0]
        except (SpatialLLMError, OSError) as error:
            raise ManifestError(f"record {record.id!r}: {error}") from error


class ClipOrder:
    """`order(epoch)` returns the clips of an epoch, each at most once, equal in every process.

    Args:
        clips: number of clips.
        draws: number of clips that an epoch draws.
        seed: together with the epoch, the seed of the draw.
        weights: weights (clips,) of the draw; None for equal ones.

    Raises:
        SpatialLLMError: more draws than clips.
    """

    def __init__(self, clips: int, draws: int, seed: int, weights: np.ndarray | None = None) -> None:
        if not 1 <= draws <= clips:
            raise SpatialLLMError(f"{draws} draws an epoch from {clips} clips; give 1 to {clips}: none is drawn twice.")
        self.draws, self.seed = draws, seed
        self.weights = np.ones(clips) if weights is None else weights

    def __call__(self, epoch: int) -> list[int]:
        # The order of exponential waiting times with these rates is that of draws without replacement.
        waiting = np.random.default_rng([self.seed, epoch]).exponential(size=len(self.weights)) / self.weights
        return np.argsort(waiting, kind="stable")[: self.draws].tolist()


def class_weights(event_labels: torch.Tensor) -> np.ndarray:
    """Returns the weights (clips,) of multi-hot labels (clips, classes): the sum over a clip's labels of 1000 / (clips of
    that label + 0.01)."""
    # In float32 and without a copy: the labels of two million clips take gigabytes.
    return (event_labels @ (1000.0 / (event_labels.sum(dim=0) + 0.01))).double().numpy()


class Convolution(nn.Module):
    """Convolves dry sounds (B, samples) with responses (B, 2 ears, taps) to recordings (B, 2 ears, samples).

    It is the full convolution, cut to the window, by FFT in float32 on the device of the inputs; `scenes.render.render`
    computes the same on the CPU.
    """

    def forward(self, dry: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
        samples = dry.shape[-1]
        # Taps after the length of the window have no effect in it.
        response = response[..., :samples].float()
        size = scipy.fft.next_fast_len(samples + response.shape[-1] - 1, real=True)
        spectrum = torch.fft.rfft(dry.float(), size)[:, None] * torch.fft.rfft(response, size)
        return torch.fft.irfft(spectrum, size)[..., :samples]


class CueRenderer(nn.Module):
    """Renders dry sounds (B, samples) and responses (B, 2 ears, taps) to cues (B, cues, frames, mel bins) for an encoder of
    this config. The published scripts convolve on the GPU inside the model as well."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.extractor = SpatialFeatureExtractor.for_encoder(config)
        self.convolution = Convolution()

    @torch.no_grad()
    def forward(self, dry: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
        with torch.autocast(dry.device.type, enabled=False):
            return self.extractor.features(self.convolution(dry, response), self.extractor.default_format)


def _distinct(keys: Iterator[tuple]) -> list[int]:
    first: dict[tuple, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    return list(first.values())


def _sound_key(record: Record) -> tuple:
    if record.pairs is not None:
        return (record.pairs[0].audio,)
    source = record.scene.sources[0]
    return record.scene.sounds, source.recording, source.gain_db, source.onset_s, source.offset_s, record.scene.duration_s


def _response_key(record: Record) -> tuple:
    if record.pairs is not None:
        return (record.pairs[0].response,)
    scene = record.scene
    return scene.bank, scene.mirror, scene.room, scene.listener, scene.sources[0].position_m, scene.sources[0].response


def _check(record: Record, sampling_rate: int, format: AudioFormat) -> None:
    wrong = None
    if record.sampling_rate != sampling_rate:
        wrong = f"is at {record.sampling_rate} Hz, the encoder at {sampling_rate}"
    elif record.format.layout != format.layout:
        wrong = f"is {record.format.name}, the encoder takes {format.name}"
    elif record.scene is not None and record.scene.noise is not None:
        wrong = "has background noise, which is no convolution"
    if wrong:
        raise ManifestError(
            f"record {record.id!r} {wrong}; stages take dry sounds and responses in the encoder's format, at its rate. "
            "Train without stages, on recordings rendered whole."
        )
