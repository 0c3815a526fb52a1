"""Turns scores into a report: a folder with index.html, report.md, plots, and the worst items with recordings and plans.

Note: recordings are rendered from their records as they were for the model, in 16 bit, all with one gain, so that loud and
near stays louder than far. Nothing depends on time or place: two runs write equal bytes.
"""

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.audio.writing import write_sound
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks import ChoiceSet
from spatial_llm.evaluation.metrics import read_truths
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet, Item
from spatial_llm.evaluation.report.directions import draw_plan, has_plan
from spatial_llm.evaluation.report.items import (
    Place,
    ScoredItem,
    ShownItem,
    place_words,
    read_scored_items,
    worst_items,
)
from spatial_llm.evaluation.report.markdown import format_report
from spatial_llm.evaluation.report.page import format_page
from spatial_llm.evaluation.report.plots import draw_plots
from spatial_llm.evaluation.report.single_file import embed_files
from spatial_llm.files import atomic_path, check_place, write_text
from spatial_llm.scenes.scene import Scene

PAGE, MARKDOWN, PLOTS, MEDIA = "index.html", "report.md", "plots", "items"
PEAK = 0.9  # peak of the loudest recording shown
# keys of scores.json that the page needs
_KEYS = ("benchmark", "confidence", "controls", "controls_missing", "items", "metrics", "protocols", "provenance", "random",
         "reading", "recordings", "resamples", "responses", "run", "seed", "task", "unreadable_truths")  # fmt: skip


def write_report(
    scores_folder: str | Path, evaluation_set: EvaluationSet | ChoiceSet, out: str | Path, single_file: bool = False
) -> Path:
    """Writes the report into the folder `out`, whole or not at all; an existing report is replaced.

    Args:
        scores_folder: with scores.json and items.jsonl of `score`.
        evaluation_set: the questions that were scored; missing sounds cause a warning and are left out.
        single_file: put pictures and recordings into the page and write nothing else; see `single_file.embed_files`.

    Returns:
        path of the page.

    Raises:
        ManifestError: scores and questions do not belong together, or a file of the scores is missing or damaged.
        OutputError: `out` holds something else, or cannot be written.
    """
    out, scores_folder = Path(out), Path(scores_folder)
    check_place(out, folder=True, replaces=PAGE)
    scores = read_scores(scores_folder / "scores.json")
    if scores["provenance"].get("manifest_sha256") != evaluation_set.sha256:
        raise ManifestError(
            f"{scores_folder / 'scores.json'} is of questions of sha256 {scores['provenance'].get('manifest_sha256')}, "
            f"these have {evaluation_set.sha256}; give the questions that were scored."
        )
    items = read_scored_items(scores_folder / "items.jsonl", scores["reading"])
    records = {record.id: record for record in evaluation_set.items}
    unknown = [item.id for item in items if item.id not in records]
    if unknown:
        raise ManifestError(
            f"{scores_folder / 'items.jsonl'}: id {unknown[0]!r} is not in the questions ({len(unknown)} such)."
        )
    with atomic_path(out) as folder:
        folder.mkdir()
        drawn = draw_plots(items, folder / PLOTS, scores["resamples"], scores["seed"], scores["confidence"])
        plots = [plot if plot.file is None else replace(plot, file=f"{PLOTS}/{plot.file}") for plot in drawn]
        worst, gain_db = _show(worst_items(items), records, evaluation_set, folder)
        if single_file:
            plots, worst = embed_files(plots, worst, folder)
            shutil.rmtree(folder / PLOTS)
            shutil.rmtree(folder / MEDIA)
        else:
            write_text(folder / MARKDOWN, format_report(scores, plots, worst))
        write_text(folder / PAGE, format_page(scores, plots, worst, gain_db))
    return out / PAGE


def read_scores(path: str | Path) -> dict[str, Any]:
    """Returns the content of scores.json. Raises ManifestError if it is missing, not JSON, or not of this version."""
    path = Path(path)
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: cannot be read ({type(error).__name__}); give the folder that score wrote.") from None
    missing = [key for key in _KEYS if not isinstance(scores, dict) or key not in scores]
    if missing:
        raise ManifestError(f"{path}: lacks {', '.join(missing)}; it is of an older version, run score again.")
    return scores


def _show(
    worst: Sequence[tuple[str, ScoredItem]],
    records: Mapping[str, Item],
    evaluation_set: EvaluationSet | ChoiceSet,
    folder: Path,
) -> tuple[list[ShownItem], float | None]:
    """Writes the recordings and plans of the items into `folder`; returns the shown items and the gain of all players in
    dB."""
    (folder / MEDIA).mkdir()
    audio, gain_db = _write_recordings([records[item.id] for _, item in worst], evaluation_set, folder)
    shown = []
    for number, (reason, item) in enumerate(worst, start=1):
        record, plan = records[item.id], None
        asked = _asked_about(record)
        if has_plan(item, record.scene):
            plan = f"{MEDIA}/{number:02d}.png"
            draw_plan(item, record.scene, folder / plan, asked)
        sources = _describe_sources(record.scene, asked)
        place = "" if item.where is None else f"true place {place_words(item.where)}; "
        alt = f"{place}{len(sources) or 1} sound(s) around the listener; answered {item.prediction!r}"
        shown.append(ShownItem(number, reason, item, audio.get(item.recording_id), plan, alt, sources))
    return shown, gain_db


def _asked_about(record: Item) -> tuple[int, ...]:
    """Indices of the sources of its scene that a question asks about; empty where there is no scene, or none is known."""
    (truth,) = read_truths([record]) if record.scene is not None else (None,)
    return () if truth is None else truth.asked


def _describe_sources(scene: Scene | None, asked: Sequence[int]) -> tuple[str, ...]:
    if scene is None or scene.truth is None:
        return ()
    lines = []
    for index, (source, known) in enumerate(zip(scene.sources, scene.truth.sources, strict=True)):
        place = place_words(Place(known.azimuth_deg, known.elevation_deg, known.distance_m))
        lines.append(f"{source.label}: {place}" + (" (asked about)" if index in asked else ""))
    return tuple(lines)


def _write_recordings(
    records: Sequence[Item], evaluation_set: EvaluationSet | ChoiceSet, folder: Path
) -> tuple[dict[str, str], float | None]:
    """Writes one file for each binaural recording that can be made; returns their names, and the gain they share in dB."""
    waveforms: dict[str, tuple[NDArray, int]] = {}
    for record in {record.recording_id: record for record in records}.values():
        try:
            waveform, rate = evaluation_set.listen(record)
        except ManifestError as error:
            warnings.warn(f"the report has no player for recording {record.recording_id!r}: {error}", stacklevel=2)
            continue
        if record.format.layout == BINAURAL and len(waveform) == BINAURAL.channels:
            waveforms[record.recording_id] = waveform, rate
    peak = max((float(np.abs(waveform).max()) for waveform, _ in waveforms.values()), default=0.0)
    if peak == 0:
        return {}, None
    names = {}
    for number, (recording_id, (waveform, rate)) in enumerate(waveforms.items(), start=1):
        names[recording_id] = f"{MEDIA}/recording{number:02d}.flac"
        write_sound(folder / names[recording_id], waveform * (PEAK / peak), rate, "FLAC", "PCM_16")
    return names, 20 * float(np.log10(PEAK / peak))
