"""Two runs on the same questions, metric by metric: is the difference more than the luck of these recordings?

Peculiar: the runs are compared on the same recordings, so what makes a recording hard cancels out; two intervals may
overlap where the difference is certain. The interval of the difference draws the same recordings for both runs; the
p-value exchanges whole recordings between them. Many metrics are tested at once, so each p-value also stands as Holm's
step-down method adjusts it over all tested metrics. Where a measure is right or wrong, the items on which the runs
disagree are counted.
Source: `statistics`; refusals and the Reliability Gain Index: `reliability`, with the first run as the one before.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation import reliability
from spatial_llm.evaluation.statistics import Bootstrap, Statistic, holm
from spatial_llm.evaluation.table import format_grid

Reading = Literal["strict", "lenient"]

RULES = {
    "difference": "second run minus first, with the interval of its bootstrap over recordings (the same draw for both)",
    "p_value": "two-sided approximate randomization test: whole recordings exchanged between the runs by lot",
    "p_holm": "p_value adjusted for the number of metrics tested here (Holm's step-down method)",
    "discordant": "items that only the first run, or only the second, has right",
    "rgi": reliability.RGI_RULE,
} | reliability.RULES


class Compared(Protocol):
    """What comparing needs of a metric of one run; `lenient` is None where no parser takes part."""

    name: str
    rows: NDArray
    strict: Statistic
    lenient: Statistic | None
    unit: str
    higher_is_better: bool
    protocol: str


@dataclass(frozen=True)
class Run:
    """One run's answers as numbers.

    Attributes:
        metrics: of the whole set.
        right: (items,) 1 or 0 by the main metric of each item's question type, NaN where it has none.
        refused: (items,) bool: the answer says that it cannot tell.
    """

    metrics: Sequence[Compared]
    right: NDArray
    refused: NDArray


def compare(
    first: Run, second: Run, bootstrap: Bootstrap, reading: Reading = "strict", confidence: float = 0.95
) -> dict[str, Any]:
    """The differences of two runs on the same questions, ready for JSON; what is undefined is None.

    Args:
        first, second: their metrics must be the same ones, of the same items.
        bootstrap: over the recordings of the whole set.
        reading: by which answers are read.
        confidence: of the intervals.

    Returns:
        `metrics`: name -> first, second, difference, low, high, p_value, p_holm, n, recordings, unit, higher_is_better,
        protocol, discordant; `reliability`: the same of its measures; `rgi`: value, low, high and counts; `rules`.

    Raises:
        SpatialLLMError: the runs do not have the same metrics of the same items.
    """
    _check_same(first, second)
    metrics = {}
    for one, two in zip(first.metrics, second.metrics, strict=True):
        about = {"unit": one.unit, "higher_is_better": one.higher_is_better, "protocol": one.protocol}
        metrics[one.name] = _entry(_read(one, reading), _read(two, reading), one.rows, bootstrap, confidence) | about
    for entry, adjusted in zip(metrics.values(), holm([_nan(e["p_value"]) for e in metrics.values()]), strict=True):
        entry["p_holm"] = _json(adjusted)
    return {
        "confidence": confidence,
        "items": len(first.right),
        "metrics": dict(sorted(metrics.items())),
        "reading": reading,
        "recordings": bootstrap.recordings,
        "resamples": bootstrap.resamples,
        "rules": RULES,
        "seed": bootstrap.seed,
    } | _refusals(first, second, bootstrap, confidence)


def _refusals(first: Run, second: Run, bootstrap: Bootstrap, confidence: float) -> dict[str, Any]:
    """Reliability of both runs on the items that have a verdict in both, and the gain from the first to the second."""
    rows = np.flatnonzero(~(np.isnan(first.right) | np.isnan(second.right)))
    before, after = ((run.right[rows], run.refused[rows]) for run in (first, second))
    one, two = reliability.reliability_statistics(*before), reliability.reliability_statistics(*after)
    gain, counts = reliability.reliability_gain(*before, after[1])
    low, high = bootstrap.interval(gain, rows, confidence)
    rgi = {"value": _json(bootstrap.value(gain, rows)), "low": _json(low), "high": _json(high), "counts": asdict(counts)}
    return {"reliability": {name: _entry(one[name], two[name], rows, bootstrap, confidence) for name in one}, "rgi": rgi}


def _entry(one: Statistic, two: Statistic, rows: NDArray, bootstrap: Bootstrap, confidence: float) -> dict[str, Any]:
    found = {name: _json(value) for name, value in asdict(bootstrap.paired(one, two, rows, confidence)).items()}
    return found | {"n": len(rows), "recordings": bootstrap.recordings_of(rows), "discordant": _discordant(one, two)}


def _discordant(one: Statistic, two: Statistic) -> dict[str, int] | None:
    """Of a measure that is 0 or 1 (or 0 or 100) for each item."""
    if one.values is None or two.values is None:
        return None
    values = np.stack([one.values, two.values])
    whole = np.nanmax(values, initial=0.0)
    if not np.isin(values[~np.isnan(values)], (0.0, whole)).all() or whole not in (0.0, 1.0, 100.0):
        return None
    return {"only_first": int(np.sum(values[0] > values[1])), "only_second": int(np.sum(values[1] > values[0]))}


def _read(metric: Compared, reading: Reading) -> Statistic:
    return metric.lenient if reading == "lenient" and metric.lenient is not None else metric.strict


def _check_same(first: Run, second: Run) -> None:
    names = [[metric.name for metric in run.metrics] for run in (first, second)]
    if names[0] != names[1]:
        only = sorted({*names[0]} ^ {*names[1]})
        raise SpatialLLMError(f"the runs differ in their metrics ({', '.join(only)}); score both by the same task.")
    for one, two in zip(first.metrics, second.metrics, strict=True):
        if not np.array_equal(one.rows, two.rows) or one.protocol != two.protocol:
            raise SpatialLLMError(f"{one.name}: the runs have other items or another protocol; score both by the same task.")


def _json(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def format_comparison(report: dict[str, Any]) -> str:
    """The report of `compare` as Markdown, one table a protocol, ending in a line break."""
    parts = [
        "# Two runs compared",
        f"{report['items']} questions about {report['recordings']} recordings; {report['reading']} reading; intervals "
        f"{report['confidence']:.0%} of {report['resamples']} resamples of the recordings, seed {report['seed']}.",
    ]
    by_protocol = defaultdict(dict)
    for name, entry in report["metrics"].items():
        by_protocol[entry["protocol"]][name] = entry
    for protocol, entries in sorted(by_protocol.items()):
        parts += [f"## Protocol: {protocol}", _table(entries)]
    gain = report["rgi"]
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in gain["counts"].items())
    parts += [
        "## Refusals",
        _table({name: entry | {"unit": "", "p_holm": None} for name, entry in report["reliability"].items()}),
        f"RGI from the first run to the second: {_number(gain['value'])} ({_interval(gain)}); {counts}.",
        "\n".join(f"- {name}: {text}" for name, text in report["rules"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _table(entries: dict[str, dict[str, Any]]) -> str:
    header = ["metric", "first", "second", "difference", "interval", "p", "p (Holm)", "only first", "only second", "n"]
    rows = []
    for name, entry in entries.items():
        disagree = entry["discordant"] or {"only_first": "-", "only_second": "-"}
        values = [_number(entry[key]) for key in ("first", "second", "difference")]
        tests = [_number(entry["p_value"]), _number(entry["p_holm"])]
        label = f"{name} ({entry['unit']})" if entry["unit"] else name
        rows.append([label, *values, _interval(entry), *tests, disagree["only_first"], disagree["only_second"], entry["n"]])
    return format_grid(header, rows)


def _interval(entry: dict[str, Any]) -> str:
    return "-" if entry["low"] is None else f"{_number(entry['low'])} to {_number(entry['high'])}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
