"""The folder that an import writes: whether it may be, and what its summary says of the manifests."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spatial_llm.data.record import Record
from spatial_llm.errors import ManifestError
from spatial_llm.files import check_place

SUMMARY = "import.json"


def check_out(out: Path, source: Path) -> None:
    """Raises an error, before any work, unless `out` is free or holds an earlier import, which may be replaced, and not the
    source, a table or folder, itself."""
    if source.resolve().is_relative_to(out.resolve()):
        raise ManifestError(f"{source}: lies in {out}, which is replaced as a whole; give another folder with --out.")
    check_place(out, folder=True, replaces=SUMMARY)


def summaries(records: Sequence[Record]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields each split that has records, with the numbers of its questions, recordings and questions of each type."""
    for split in ("train", "eval"):
        own = [record for record in records if record.split == split]
        if own:
            yield split, summary_of(own)


def summary_of(records: Sequence[Record]) -> dict[str, Any]:
    """Returns the numbers of questions, of recordings, and of questions of each type."""
    types = Counter(record.question_type for record in records)
    recordings = len({record.recording_id for record in records})
    return {"questions": len(records), "recordings": recordings, "types": dict(sorted(types.items()))}
