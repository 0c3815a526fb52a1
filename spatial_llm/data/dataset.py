"""From a manifest to samples: the recording is rendered (or read), brought to the model's rate and window, and paired
with its question and answer."""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from spatial_llm.audio.formats import BINAURAL, AudioFormat, Field
from spatial_llm.data.manifest import open_manifest
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record
from spatial_llm.data.rendering import heard_format, load_waveform
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.errors import ManifestError


def distinct_recordings(records: Sequence[Record]) -> list[Record]:
    """Returns the first record of each `recording_id`, in order, so that each recording occurs once; of a record with
    several recordings, one for each (see `Record.recordings`)."""
    first: dict[str, Record] = {}
    for record in records:
        for one in record.recordings:
            first.setdefault(one.recording_id, one)
    return list(first.values())


class Recordings(Sequence[Record]):
    """The distinct recordings of a data set, each as a record of it alone, read from disk on access.

    Args:
        records: the rows.
        places: row, and number of the recording in it, by `recording_id`.
    """

    def __init__(self, records: Sequence[Record], places: Mapping[str, tuple[int, int]]) -> None:
        self.records, self._places = records, list(places.values())

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        row, number = self._places[index]
        return self.records[row].recordings[number]


class CueDataset(Dataset):
    """`dataset[i]`: the encoder's input for recording i, of its `config.input_shape`, float32, rendered and computed on
    access.

    Args:
        records: the recordings.
        root: where their names start.
        extractor: of the encoder.
        window_samples: length of the encoder's window.
        altered: changes a recording before its cues are computed: (recording id, waveform (channels, samples), format) ->
            waveform and format. It must do the same each time; its `repr` is part of the names of files of cues.
    """

    def __init__(
        self,
        records: Sequence[Record],
        root: DataRoot | str | Path,
        extractor: RecordingFeatureExtractor,
        window_samples: int,
        altered: Callable[[str, NDArray, AudioFormat], tuple[NDArray, AudioFormat]] | None = None,
    ) -> None:
        self.altered = altered
        self.records = records
        self.root = root
        self.extractor = extractor
        self.window_samples = window_samples

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> torch.Tensor:
        rate = self.extractor.sampling_rate
        record = self.records[index]
        waveform = load_waveform(record, self.root, rate, self.window_samples, self.extractor.format)
        format = heard_format(record, self.root)
        if self.altered is not None:
            waveform, format = self.altered(record.recording_id, waveform, format)
        features = self.extractor(waveform, sampling_rate=rate, return_tensors="pt", scale_known=True, formats=format)
        return features["input_features"][0]


class SpatialQADataset(Dataset):
    """Questions about recordings: `dataset[i]` has `id`, `question`, `answer` and the audio in one of two forms. Of a record
    with turns before its question, or with further recordings, it also has `asked`, the questions of all turns with their
    answers, and `others`, the audio of those recordings in the same form. With waveforms, and a `format`
    that stands for several, `formats` lists that of every recording.

    Args:
        manifest: path of a JSONL manifest, of any length: its rows stay on disk, see `data.manifest`.
        sampling_rate: of the encoder, Hz.
        window_samples: length of the encoder's window; shorter recordings are padded, of longer ones the loudest window
            is taken.
        audio_hidden_states: encoder output (tokens, width) by `recording_id`, where it was computed ahead. Then samples
            hold `audio_hidden_states`; otherwise `waveform` (channels, window_samples).
        root: where the manifest's names start and which folders elsewhere are allowed; default its own folder and none.
        cache_dir: where its rows are kept; default a temporary folder.
        types: only questions of these types ("A" to "E", ...); None = all.
        format: of the recordings, as the encoder takes them.
        answer_of: what is taught as the answer of a record; None = its answer. It may draw random numbers from torch.

    Attributes:
        lengths: characters of question and answer together, for batches of like length.
        places: the row of `records` in which each recording occurs first, and its number among those of the row, by
            `recording_id`.

    Raises:
        ManifestError: the manifest is not one, files of it are missing, it has no question of `types`, or
            `audio_hidden_states` lacks a recording.
    """

    def __init__(
        self,
        manifest: str | Path,
        sampling_rate: int,
        window_samples: int,
        audio_hidden_states: Mapping[str, torch.Tensor] | None = None,
        root: DataRoot | str | Path | None = None,
        cache_dir: str | Path | None = None,
        types: Collection[str] | None = None,
        answer_of: Callable[[Record], str] | None = None,
        format: AudioFormat = BINAURAL,
    ) -> None:
        self.answer_of = answer_of or (lambda record: record.answer)
        self.records = open_manifest(manifest, root, cache_dir)
        self.sampling_rate = sampling_rate
        self.window_samples = window_samples
        self.format = format
        self.rows, self.lengths, held = array("q"), array("l"), set()
        self.places: dict[str, tuple[int, int]] = {}
        for row, line in enumerate(self.records.lines()):
            held.add(line["type"])
            if types is None or line["type"] in types:
                self.rows.append(row)
                asked = [line, *line.get("earlier", ())]
                self.lengths.append(sum(len(each["question"]) + len(each["answer"]) for each in asked))
                for number, one in enumerate([line, *line.get("others", ())]):
                    self.places.setdefault(one["recording_id"], (row, number))
        if not self.rows:
            raise ManifestError(f"{manifest}: no question of types {sorted(types)}; it has {', '.join(sorted(held))}.")
        self.audio_hidden_states: Mapping[str, torch.Tensor] | None = None
        if audio_hidden_states is not None:
            self.use_encoder_cache(audio_hidden_states)

    def use_encoder_cache(self, audio_hidden_states: Mapping[str, torch.Tensor]) -> None:
        """Makes samples contain precomputed encoder output. Raises ManifestError if some is missing."""
        missing = [name for name in self.places if name not in audio_hidden_states]
        if missing:
            raise ManifestError(
                f"{self.records.path}: no encoder output for recording {missing[0]!r} ({len(missing)} recordings)."
            )
        self.audio_hidden_states = audio_hidden_states

    def __len__(self) -> int:
        return len(self.rows)

    def sample_id(self, index: int) -> str:
        """Returns the id of the record of `dataset[index]`."""
        return self.records[self.rows[index]].id

    def __getitem__(self, index: int) -> dict[str, Any]:
        record = self.records[self.rows[index]]
        sample = {"id": record.id, "question": record.question, "answer": self.answer_of(record)}
        name = "waveform" if self.audio_hidden_states is None else "audio_hidden_states"
        sample[name], *others = [self._audio(one) for one in record.recordings]
        if self.audio_hidden_states is None and isinstance(self.format, Field):
            sample["formats"] = [heard_format(one, self.records.root) for one in record.recordings]
        if record.earlier is not None or record.others is not None:
            sample |= {"asked": [*record.asked[:-1], (record.question, sample["answer"])], "others": others}
        return sample

    def _audio(self, record: Record) -> Any:
        if self.audio_hidden_states is not None:
            return self.audio_hidden_states[record.recording_id]
        return load_waveform(record, self.records.root, self.sampling_rate, self.window_samples, self.format)

    @property
    def recordings(self) -> Recordings:
        """Returns the distinct recordings, in the order of `places`."""
        return Recordings(self.records, self.places)
