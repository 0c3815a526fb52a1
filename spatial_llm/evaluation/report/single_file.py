"""Puts the pictures and recordings of a report into its page, as data URIs (RFC 2397), so that one file can be sent on."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spatial_llm.evaluation.report.items import ShownItem
from spatial_llm.evaluation.report.plots import Plot

MOST_BYTES = 25_000_000  # largest page with recordings; a mail server takes about as much
_TYPES = {".png": "image/png", ".flac": "audio/flac"}


def embed_files(
    plots: Sequence[Plot], worst: Sequence[ShownItem], folder: Path, most_bytes: int = MOST_BYTES
) -> tuple[list[Plot], list[ShownItem]]:
    """Returns plots and items whose file names are replaced by the contents of the files.

    Args:
        plots, worst: with names of files in `folder`.
        folder: where the files are.
        most_bytes: pictures and recordings may come to this many bytes in the page. Pictures always stay; recordings that
            do not fit any more are left out, the worst items' first to stay, and the item says so.
    """
    drawn = [plot if plot.file is None else replace(plot, file=_uri(folder / plot.file)) for plot in plots]
    items = [shown if shown.plan is None else replace(shown, plan=_uri(folder / shown.plan)) for shown in worst]
    used = sum(len(name) for name in (*(plot.file for plot in drawn), *(shown.plan for shown in items)) if name)
    for index, shown in enumerate(items):
        if shown.audio is None:
            continue
        recording = _uri(folder / shown.audio)
        if used + len(recording) > most_bytes:
            why = f"The recording is left out: one file holds at most {most_bytes / 1e6:g} MB"
            items[index] = replace(shown, audio=None, no_audio=f"{why}; the report as a folder has it.")
        else:
            used += len(recording)
            items[index] = replace(shown, audio=recording)
    return drawn, items


def _uri(path: Path) -> str:
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
