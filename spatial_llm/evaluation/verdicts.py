"""One line in plain words on what scores show: whether a model listens, which of two runs is better, which kind of model.

Nothing is computed here but what the intervals and tests of the scores say; where they say nothing, so does the line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spatial_llm.evaluation.names import plain_name
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE
from spatial_llm.evaluation.text_tables import interval, number

APART, SAME, REVERSED = "real run better", "not told apart", "control better"
NAMED = 2  # most metrics named on each side
# The metric that shows best whether a model listens is the first of these that was asked for.
LEADS = ("B_left_right_acc", "AZIMUTH_DEG_left_right_acc", "D_left_right_acc", "B_direction_acc", "E_acc", "A_mAP")
SILENT = {"no_audio": "without sound", "other_audio": "with another recording", "question_only": "from the question alone"}


def verdict(entry: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """Compares one metric of a control with the real run on the same items: `SAME` where their intervals overlap (or one
    has none), otherwise which of the two is better."""
    real = entry["same_items"]
    if None in (entry["low"], entry["high"], real["low"], real["high"]):
        return SAME
    if entry["low"] <= real["high"] and real["low"] <= entry["high"]:
        return SAME
    return APART if (real["value"] > entry["value"]) == metric["higher_is_better"] else REVERSED


def main_metrics(metrics: Mapping[str, Any]) -> list[str]:
    """Returns the names of the metrics that are no finer diagnostics (protocols "diagnostic, ...")."""
    return [name for name, entry in metrics.items() if not entry["protocol"].startswith("diagnostic,")]


def hearing_verdict(scores: Mapping[str, Any]) -> str:
    """States by its controls whether a model listens.

    Args:
        scores: content of scores.json.
    """
    control = next((name for name in SILENT if name in scores["controls"]), None)
    if control is None:
        return "Verdict: nothing shows whether the model listens, for no control without its sound was run."
    found, metrics = scores["controls"][control]["metrics"], scores["metrics"]
    compared = [name for name in main_metrics(metrics) if name in found]
    better = [name for name in compared if verdict(found[name], metrics[name]) == APART]
    said = f"on {len(better)} of {len(compared)} metrics it is better than {SILENT[control]}"
    ears = _ears(scores)
    if not better:
        return f"Verdict: nothing shows that the model listens; {said}{ears}."
    lead = next((name for name in LEADS if name in better), better[0])
    return f"Verdict: the model listens; {said}, {_fall(lead, found[lead], metrics[lead])}{ears}."


def _fall(name: str, entry: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """Formats "such as left or right (B), 99.90 against 50.10, which is no better than chance"."""
    unit, random = metric["unit"], metric["random"]
    nearest = entry["low"] if metric["higher_is_better"] else entry["high"]
    chance = random is not None and (nearest <= random if metric["higher_is_better"] else nearest >= random)
    values = f"{number(entry['same_items']['value'], unit)} against {number(entry['value'], unit)}"
    return f"such as {plain_name(name) or name}, {values}{', which is no better than chance' if chance else ''}"


def _ears(scores: Mapping[str, Any]) -> str:
    """States whether exchanging the ears flips left and right: the answers are then better than chance against mirrored
    truths, and worse than the real run against the true ones. Says nothing where the real run itself is not above chance."""
    swapped, mirrored = (
        scores["controls"].get(name, {"metrics": {}})["metrics"] for name in ("ears_swapped", "ears_swapped_mirrored")
    )
    sides = [name for name in LEADS if name.endswith("left_right_acc") and name in swapped and name in mirrored]
    for name in sides:
        metric, mirror = scores["metrics"][name], mirrored[name]
        random, real = metric["random"], mirror["same_items"]
        if random is None or None in (real["low"], mirror["low"], mirror["high"]) or real["low"] <= random:
            continue
        if mirror["low"] > random and verdict(swapped[name], metric) == APART:
            return "; exchanging the ears flips left and right"
        if mirror["high"] < random:
            return "; exchanging the ears does not flip left and right"
        return "; whether exchanging the ears flips left and right cannot be told"
    return ""


def comparison_verdict(report: Mapping[str, Any]) -> str:
    """States at what the second of two runs is better or worse, by the adjusted p-values of the metrics that are no finer
    diagnostics, or of those if there are no others; and what became of refusals (Reliability Gain Index, with its counts).

    Args:
        report: content of compare.json.
    """
    metrics = report["metrics"]
    names = main_metrics(metrics) or list(metrics)
    tested = [name for name in names if metrics[name]["p_holm"] is not None]
    limit = round(1 - report["confidence"], 9)  # 1 - 0.95 is a little more than 0.05
    sure = sorted((name for name in tested if metrics[name]["p_holm"] < limit), key=lambda name: metrics[name]["p_holm"])
    if not sure:
        aside = ", finer diagnostics aside" if len(names) < len(metrics) else ""
        return f"Verdict: the two runs cannot be told apart on any of {len(names)} metrics{aside}{_refusals(report)}."
    sides: dict[bool, list[str]] = {True: [], False: []}
    for name in sure:
        entry = metrics[name]
        sides[(entry["difference"] > 0) == entry["higher_is_better"]].append(
            f"{plain_name(name) or name} ({entry['difference']:+.2f}{_unit(entry['unit'])}, {interval(entry, '%')})"
        )
    rest, undecided = len(names) - len(sure), ""
    if rest:
        undecided = f"; on {rest} of {len(names)} metrics they cannot be told apart"
    return f"Verdict: the second run is {_sides(sides)}{undecided}{_refusals(report)}."


def _refusals(report: Mapping[str, Any]) -> str:
    """States what the second run refuses of what the first had right and wrong; nothing if the gain is undefined."""
    gain = report.get("rgi")
    if gain is None or gain["value"] is None:
        return ""
    counts = gain["counts"]
    bounds = "" if gain["low"] is None else f", {gain['low']:.2f} to {gain['high']:.2f}"
    return (
        f"; it declines {counts['wrong_now_refused']} of {counts['wrong_before']} answers that were wrong and "
        f"{counts['right_now_refused']} of {counts['right_before']} that were right (RGI {gain['value']:+.2f}{bounds})"
    )


def kinds_verdict(found: Mapping[str, Any], lower_is_better: Sequence[str]) -> str:
    """States for each kind of model at what it is better or worse than the reference.

    Args:
        found: result of `seeds.compare_kinds`.
        lower_is_better: metrics of which less is better.
    """
    said = []
    for kind, scores in found["kinds"].items():
        sides: dict[bool, list[str]] = {True: [], False: []}
        for metric, score in scores.items():
            if score.get("p_holm", 1.0) < round(1 - CONFIDENCE, 9) and score["difference"] != 0:
                good = (score["difference"] < 0) == (metric in lower_is_better)
                sides[good].append(f"{plain_name(metric) or metric} ({score['difference']:+.1f}; p {score['p_holm']:.2g})")
        if kind != found["reference"]:
            said.append(f"{kind} is {_sides(sides)}" if any(sides.values()) else f"{kind} cannot be told apart")
    if not said:
        return f"Verdict: {found['reference']} has no other kind beside it."
    return f"Verdict: beside {found['reference']}, over seeds, {'; '.join(said)}."


def encoder_verdict(report: Mapping[str, Any]) -> str:
    """States what the errors of an encoder mean; no control is run on an encoder.

    Args:
        report: content of encoder.json.
    """
    shares = []
    for name, words in (("ER20", "the direction is within 20 degrees"), ("DER", "the distance is within 0.5 m")):
        entry = report["metrics"][name]
        bounds = "" if entry["low"] is None else f" ({100 - entry['high']:.0f} to {100 - entry['low']:.0f})"
        shares.append(f"{words} in {100 - entry['value']:.0f}{bounds}")
    return (
        f"Verdict: of 100 recordings, {' and '.join(shares)}; events have a mean average precision of "
        f"{report['metrics']['mAP']['value']:.0f} %. Whether another encoder is better needs several seeds (eval/seeds.py)."
    )


def events_verdict(report: Mapping[str, Any]) -> str:
    """States how many events are found, how many are invented, and how well directions are followed.

    Args:
        report: content of scores.json of eval/events.py.
    """
    metrics, counts = report["metrics"], report["counts"]
    said = []
    if counts["reference_events"]:
        near, wide = (_share_of(metrics[f"event_recall_{end}"]) for end in ("200ms", "1000ms"))
        said.append(f"of 100 events, {near} are found with their times within 0.2 s and {wide} within 1 s")
    else:
        said.append("no event is to be found")
    if counts["predicted_events"]:
        said.append(f"of 100 predicted, {_share_of(metrics['hallucinated'])} are invented")
    else:
        said.append("none is predicted")
    if counts["matched_frames"]:
        error, switches = metrics["direction_error"], counts["identity_switches"]
        bounds = "" if error["low"] is None else f" ({error['low']:.1f} to {error['high']:.1f})"
        said.append(
            f"directions are {error['value']:.1f}{bounds} degrees off along {_share_of(metrics['direction_coverage'])} % of "
            f"the tracks, with {switches} switch{'' if switches == 1 else 'es'} of the source"
        )
    elif counts["direction_frames"]:
        said.append("no direction is predicted where one is known")
    return f"Verdict: {'; '.join(said)}."


def _share_of(metric: Mapping[str, Any]) -> str:
    bounds = "" if metric["low"] is None else f" ({metric['low']:.0f} to {metric['high']:.0f})"
    return f"{metric['value']:.0f}{bounds}"


def _sides(sides: Mapping[bool, Sequence[str]]) -> str:
    """Formats "better at X (...), Y (...) and 3 more; worse at Z (...)"."""
    parts = []
    for good, word in ((True, "better"), (False, "worse")):
        some = sides[good]
        more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
        parts += [f"{word} at {', '.join(some[:NAMED])}{more}"] if some else []
    return ", and ".join(parts)


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
