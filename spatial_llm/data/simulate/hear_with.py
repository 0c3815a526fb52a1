"""The same scenes and questions, heard with other microphones: for comparing formats on equal terms."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spatial_llm.audio.formats import AudioFormat, as_format
from spatial_llm.data.records import Record, iter_records, write_manifest
from spatial_llm.errors import ManifestError


def hear_with(manifest: str | Path, formats: Sequence[str]) -> list[Path]:
    """Writes a manifest for each format beside the given one, named `<manifest>-<format name>.jsonl`.

    Responses come from the scenes' banks where these have the format, and are simulated as recordings are made otherwise.

    Args:
        manifest: questions about scenes.
        formats: short texts of formats (see `audio.formats.parse_format`).

    Returns:
        The paths of the manifests, in the order of `formats`.

    Raises:
        AudioError: a text is no format.
        ManifestError: a record is not about one scene; it is named.
    """
    manifest, wanted = Path(manifest), [as_format(text) for text in formats]
    records = [record for _, record in iter_records(manifest)]
    paths = []
    for format in wanted:
        paths.append(manifest.with_name(f"{manifest.stem}-{format.name}.jsonl"))
        write_manifest(paths[-1], (_heard(record, format, manifest) for record in records))
    return paths


def _heard(record: Record, format: AudioFormat, manifest: Path) -> Record:
    if record.scene is None or record.others is not None:
        raise ManifestError(f"{manifest}: record {record.id!r} is not about one scene; only scenes can be heard otherwise.")
    name = format.name
    return replace(
        record,
        id=f"{record.id}@{name}",
        recording_id=f"{record.recording_id}@{name}",
        scene=replace(record.scene, format=format),
    )
