"""Exports our own questions and recordings in the layout of the released SpatialSoundQA, so that other people's code can
train on them (layout: `data.spatialsoundqa`).

A recording there is one or two dry sounds and room responses at 32 kHz, convolved to 10 s by the rule `official_bat`.
Whatever this cannot express is counted, named and left out, never changed: gains, onsets, cuts, noise, more than two
sources, other formats, rates and protocols, longer recordings, and questions of types that are not among the released nine.
Shorter recordings become 10 s long: the same up to their end, followed by what the window had cut off; the report counts
them. The response of a mirrored scene is written as a file of its own. Our responses begin with the propagation delay, which
the released ones leave out.

Labels that are no AudioSet classes have no `mid`; theirs begins with "local/". Positions are those of the room, turned so
that the listener looks along -z, as in the released lists.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.audio.writing import write_sound
from spatial_llm.data.records import PAIRS_RATE, Record, read_manifest
from spatial_llm.data.spatialsoundqa.pairs import SAMPLES
from spatial_llm.data.spatialsoundqa.prepare import EXPORTED
from spatial_llm.data.spatialsoundqa.release import AUDIO, CLIP_LISTS, LABELS_CSV, OFFICIAL_TYPES, QUESTIONS, REVERB, STAGES
from spatial_llm.errors import ManifestError
from spatial_llm.files import atomic_path, below, check_place, write_json, write_text
from spatial_llm.geometry import direction_to_vector, internal_to_soundspaces, vector_to_direction
from spatial_llm.provenance import provenance
from spatial_llm.scenes.render import dry_sound, scene_responses
from spatial_llm.scenes.scene import Listener, Scene, Xyz

SOUND_FOLDERS = {"train": "balanced_train/audio", "eval": "eval/audio"}
SHOWN = 5  # most ids named for each reason, and most reasons in an error
_LONGEST_S = SAMPLES / PAIRS_RATE


def export_release(manifests: Sequence[str | Path], folder: str | Path) -> dict[str, Any]:
    """Writes the records of our manifests as a release folder, whole or not at all; returns the content of exported.json.

    Args:
        manifests: each with its data folder around it; records of both splits may be in one or in several.
        folder: of the release; one that was exported before is replaced.

    Raises:
        ManifestError: a manifest is not one, or none of its records can be expressed.
    """
    check_place(folder, folder=True, replaces=EXPORTED)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        export = _Export(temporary)
        for manifest in manifests:
            for record in read_manifest(manifest):
                export.add(record, Path(manifest).parent)
        return export.finish()


def inexpressible(record: Record) -> str | None:
    """Returns the reason why the released layout cannot express a record; None if it can."""
    scene = record.scene
    if scene is None:
        return "the recording is not a scene"
    if record.question_type not in OFFICIAL_TYPES:
        return f"question type {record.question_type}"
    if len(scene.sources) > 2:
        return "more than two sources"
    reasons = (
        ("several turns or recordings", record.earlier is not None or record.others is not None),
        ("format other than binaural", scene.format.layout != BINAURAL),
        (f"sampling_rate other than {PAIRS_RATE}", scene.sampling_rate != PAIRS_RATE),
        ("protocol other than official_bat", scene.protocol != "official_bat"),
        (f"longer than {_LONGEST_S:g} s", scene.duration_s > _LONGEST_S),
        ("motion", scene.moves),
        ("background noise", scene.noise is not None),
        ("gain", any(source.gain_db != 0 for source in scene.sources)),
        ("onset", any(source.onset_s != 0 for source in scene.sources)),
        ("offset", any(source.offset_s is not None for source in scene.sources)),
    )
    return next((reason for reason, holds in reasons if holds), None)


class _Export:
    """A release folder that is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, dict[str, list[dict[str, Any]]]] = {"train": {}, "eval": {}}  # by split and question type
        self.clips: dict[str, dict[str, set[str]]] = {"train": {}, "eval": {}}  # labels by audio_id
        self.places: dict[str, dict[str, dict[str, str]]] = {"train": {}, "eval": {}}  # entries by reverb_id
        self.sounds: dict[tuple, str] = {}  # audio_id by what was rendered
        self.responses: dict[tuple, str] = {}  # reverb_id likewise
        self.rooms: Counter = Counter()  # responses written, by folder name
        self.left_out: dict[str, list[str]] = {}
        self.lengthened: set[str] = set()

    def add(self, record: Record, root: Path) -> None:
        reason = inexpressible(record)
        if reason is not None:
            self.left_out.setdefault(reason, []).append(record.id)
            return
        scene = record.scene
        ids = [self._source(scene, index, root) for index in range(len(scene.sources))]
        (audio, reverb), (audio2, reverb2) = ids[0], ids[1] if len(ids) == 2 else (None, None)
        rows = self.rows[record.split].setdefault(record.question_type, [])
        row = {"audio_id": audio, "reverb_id": reverb, "audio_id2": audio2, "reverb_id2": reverb2}
        rows.append(row | {"question_id": len(rows), "question_type": record.question_type,
                           "question": record.question, "answer": record.answer})  # fmt: skip
        if scene.duration_s < _LONGEST_S:
            self.lengthened.add(record.recording_id)

    def _source(self, scene: Scene, index: int, root: Path) -> tuple[str, str]:
        source, split = scene.sources[index], scene.split
        sound = (str(root), split, scene.sounds, source.recording, scene.duration_s)
        if sound not in self.sounds:
            self.sounds[sound] = self._write_sound(scene, index, root)
        audio_id = self.sounds[sound]
        self.clips[split].setdefault(audio_id, set()).add(source.label)
        # Without a bank the response follows from the room and the positions; a bank's row gives the same.
        heard = (
            str(root),
            scene.bank,
            source.response,
            scene.mirror,
            scene.room,
            scene.listener,
            source.position_m,
            scene.format,
        )
        if heard not in self.responses:
            self.responses[heard] = self._write_response(scene, index, root)
        reverb_id = self.responses[heard]
        self.places[split][reverb_id] = {
            "fname": reverb_id,
            "sensor_position": _soundspaces(scene.listener, scene.listener.position_m),
            "source_position": _soundspaces(scene.listener, source.position_m),
        }
        return audio_id, reverb_id

    def _write_sound(self, scene: Scene, index: int, root: Path) -> str:
        source = scene.sources[index]
        dry = dry_sound(source, scene, None if scene.sounds is None else below(root, scene.sounds))
        # The released loader computes the level over the whole file, so the file is written whole and in float.
        name = f"{_plain(source.recording)}-{sha256(np.ascontiguousarray(dry).tobytes()).hexdigest()[:12]}"
        audio_id = f"{SOUND_FOLDERS[scene.split]}/{name}"
        path = self.folder / AUDIO / f"{audio_id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sound(path, dry, PAIRS_RATE, "WAV", "FLOAT")
        return audio_id

    def _write_response(self, scene: Scene, index: int, root: Path) -> str:
        room = _plain(scene.room.id)
        reverb_id = f"{room}/{self.rooms[room]}.npy"
        self.rooms[room] += 1
        path = self.folder / REVERB / "binaural" / reverb_id
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, scene_responses(scene, root)[index].astype(np.float32), allow_pickle=False)
        return reverb_id

    def finish(self) -> dict[str, Any]:
        if not any(self.rows.values()):
            most = sorted(self._left_out().items(), key=lambda reason: -reason[1]["records"])[:SHOWN]
            reasons = ", ".join(f"{name} ({about['records']} records, such as {about['first'][0]})" for name, about in most)
            raise ManifestError(
                f"nothing to export; left out most: {reasons}. The layout holds questions of types A to E about binaural "
                "scenes of 32 kHz with one or two sounds that begin at 0, without noise."
            )
        written = {}
        asked: tuple[str, ...] = ()
        for stage, files in STAGES.items():
            asked += tuple(kind for kinds in files.values() for kind in kinds)
            for name, split, kinds in [("train", "train", asked), *((name, "eval", kinds) for name, kinds in files.items())]:
                rows = [row for kind in kinds for row in self.rows[split].get(kind, ())]
                if rows:
                    written[f"{QUESTIONS}/{stage}/{name}.json"] = len(rows)
                    write_json(self.folder / QUESTIONS / stage / f"{name}.json", {"data": rows})
        labels = sorted({label for clips in self.clips.values() for names in clips.values() for label in names})
        mids = {label: f"local/{_plain(label)}" for label in labels}
        quoted = (f'{index},{mids[label]},"{label}"\n' for index, label in enumerate(labels))
        write_text(self.folder / AUDIO / LABELS_CSV, "index,mid,display_name\n" + "".join(quoted))
        for split, clips in self.clips.items():
            entries = [
                {"id": name, "folder": parent, "label": [mids[label] for label in sorted(names)]}
                for (parent, _, name), names in ((audio_id.rpartition("/"), names) for audio_id, names in clips.items())
            ]
            if entries:
                write_json(self.folder / AUDIO / "metadata" / CLIP_LISTS[split][0], entries)
                data = {"data": list(self.places[split].values())}
                write_json(self.folder / REVERB / f"{split}_reverberation.json", data)
        report = {
            "questions": written,
            "sounds": len(set(self.sounds.values())),
            "responses": len(self.responses),
            "left_out": self._left_out(),
            "lengthened_to_10_s": len(self.lengthened),
            "provenance": provenance(),
        }
        write_json(self.folder / EXPORTED, report)
        return report

    def _left_out(self) -> dict[str, Any]:
        return {reason: {"records": len(ids), "first": ids[:SHOWN]} for reason, ids in sorted(self.left_out.items())}


def format_export(report: dict[str, Any]) -> Iterable[str]:
    """Formats the report as lines for reading."""
    for name, rows in report["questions"].items():
        yield f"{name}: {rows} questions"
    yield f"{report['sounds']} dry sounds, {report['responses']} room responses"
    for reason, said in report["left_out"].items():
        more = ", ..." if said["records"] > len(said["first"]) else ""
        yield f"left out: {said['records']} ({reason}): {', '.join(said['first'])}{more}"
    if report["lengthened_to_10_s"]:
        yield f"{report['lengthened_to_10_s']} recordings are shorter than 10 s and go on to 10 s there"


def _soundspaces(listener: Listener, position_m: Xyz) -> str:
    """Formats a position of the room as "x,y,z" in SoundSpaces axes, the room turned so that the listener looks along -z."""
    azimuth_deg, elevation_deg, distance_m = vector_to_direction(position_m)
    turned = direction_to_vector(azimuth_deg - listener.heading_deg, elevation_deg, distance_m)
    return ",".join(f"{value + 0.0:.6f}" for value in np.round(internal_to_soundspaces(turned), 6))


def _plain(text: str) -> str:
    """Returns a file name of letters, digits, "-" and "_"; a text with other characters gets a hash of itself."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", text)[:60]
    return plain if plain == text else f"{plain}-{sha256(text.encode()).hexdigest()[:6]}"
