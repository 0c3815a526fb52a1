"""Each metric against a second computation on random answers: scikit-learn, scipy, or a loop from its definition."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from spatial_llm.answers import AXES, Location, format_location
from spatial_llm.evaluation.metrics import compute_metrics, read_answers
from spatial_llm.questions.types import parse_value
from tests.evaluation.fixtures_ours import our_records

KINDS = (
    "DOA", "MIXUP_SINGLE_DOA", "ROTATED", "DISTANCE", "AZIMUTH_DEG", "ROTATED_AZIMUTH", "ELEVATION_DEG", "AZIMUTH_CLOCK",
    "COUNT_SOURCES", "RELATION_LEFT", "RELATION_BEHIND", "DURATION", "SPAN", "STARTS_AT", "PRESENT", "ROOM_RT60",
)  # fmt: skip


@pytest.fixture(scope="module")
def noisy():
    """(item, answer text, true value, answered value or None) by question type: a third right, a tenth unreadable."""
    rng = np.random.default_rng(7)
    records = [record for record in our_records() if record.question_type in KINDS]
    pool: dict[str, list[str]] = {}
    for record in records:
        pool.setdefault(record.question_type, []).append(record.answer)
    texts = []
    for record in records:
        luck = rng.random()
        others = pool[record.question_type]
        texts.append(record.answer if luck < 0.33 else "?" if luck < 0.43 else others[rng.integers(len(others))])
    run = read_answers(records, texts)
    rows: dict[str, list] = {}
    for record, text in zip(records, texts, strict=True):
        rows.setdefault(record.question_type, []).append(
            (record, text, record.truth, parse_value(record.question_type, text))
        )
    return rows, {
        name: (float(m.strict(np.ones((1, m.strict.items)))[0]), m) for name, m in compute_metrics(run, None).items()
    }


def angle_between(first, second):
    """By the spherical law of cosines, in degrees: another formula than the library's."""
    (a, up), (b, other_up) = (map(math.radians, place) for place in (first, second))
    cosine = math.sin(up) * math.sin(other_up) + math.cos(up) * math.cos(other_up) * math.cos(a - b)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def on_circle(first, second):
    """Degrees between two azimuths, by trying the turns."""
    return min(abs(first - second + 360 * turn) for turn in (-2, -1, 0, 1, 2))


def words(value):
    return tuple(value[axis] for axis in AXES)


@pytest.mark.parametrize(("kind", "prefix"), [("DOA", "B"), ("MIXUP_SINGLE_DOA", "D"), ("ROTATED", "ROTATED")])
def test_places(noisy, kind, prefix):
    rows, found = noisy
    read = [(record, truth, value) for record, _, truth, value in rows[kind]]
    right = [value is not None and words(value) == words(truth) for _, truth, value in read]
    assert found[f"{prefix}_direction_acc"][0] == pytest.approx(100 * np.mean(right))
    true = [" ".join(words(truth)) for _, truth, _ in read]
    said = ["" if value is None else " ".join(words(value)) for _, _, value in read]
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        balanced = sklearn_metrics.balanced_accuracy_score(true, said)
    assert found[f"{prefix}_direction_balanced_acc"][0] == pytest.approx(100 * balanced)
    wrong = [value is None or abs(value["distance_m"] - truth["distance_m"]) > 0.5 + 1e-9 for _, truth, value in read]
    assert found[f"{prefix}_DER"][0] == pytest.approx(100 * np.mean(wrong))
    pairs = [(truth["distance_m"], value["distance_m"]) for _, truth, value in read if value is not None]
    far, guess = map(np.array, zip(*pairs, strict=True))
    name = f"{prefix}_distance_"
    assert found[f"{name}MAE"][0] == pytest.approx(sklearn_metrics.mean_absolute_error(far, guess))
    assert found[f"{name}RMSE"][0] == pytest.approx(sklearn_metrics.root_mean_squared_error(far, guess))
    assert found[f"{name}pearson"][0] == pytest.approx(stats.pearsonr(far, guess).statistic)
    assert found[f"{name}spearman"][0] == pytest.approx(stats.spearmanr(far, guess).statistic)
    assert found[f"{name}relative_error"][0] == pytest.approx(
        100 * sklearn_metrics.mean_absolute_percentage_error(far, guess)
    )


def true_bearing(record):
    """From the scene: the source whose label stands in the question, or the only one; turned as the question says."""
    heard = zip(record.scene.sources, record.scene.truth.sources, strict=True)
    places = [true for source, true in heard if len(record.scene.sources) == 1 or source.label in record.question]
    assert len(places) == 1
    turn = 0
    for degrees in (45, 90, 180):
        if f"{degrees} degrees" in record.question:
            turn = -degrees if "to the right" in record.question else degrees
    return places[0].azimuth_deg - turn, places[0].elevation_deg


@pytest.mark.parametrize(("kind", "prefix"), [("DOA", "B"), ("MIXUP_SINGLE_DOA", "D"), ("ROTATED", "ROTATED")])
def test_region_distance(noisy, kind, prefix):
    """Wrong words: by hand, from the angles to the planes on whose wrong side the source is."""
    rows, found = noisy
    errors, unparsed = [], 0
    for record, _, _, value in rows[kind]:
        if value is None:
            unparsed += 1
            continue
        azimuth, elevation = map(math.radians, true_bearing(record))
        ahead, left = math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth)
        along = {"front": ahead, "behind": -ahead, "left": left, "right": -left}
        along |= {"above": math.sin(elevation), "below": -math.sin(elevation)}
        sides = [along[word] for word in words(value)]
        right = math.hypot(*[side for side in sides if side > 0])
        errors.append(math.degrees(math.acos(min(1.0, right))) if right else 90 + math.degrees(math.asin(-max(sides))))
    assert max(errors) > 90 and min(errors) < 1e-5
    assert found[f"{prefix}_region_distance_mean"][0] == pytest.approx(np.mean(errors))
    assert found[f"{prefix}_region_distance_median"][0] == pytest.approx(np.median(errors), abs=1e-5)
    share = (sum(error > 20 for error in errors) + unparsed) / (len(errors) + unparsed)
    assert found[f"{prefix}_region_ER20"][0] == pytest.approx(100 * share)
    assert found[f"{prefix}_region_ER20"][1].unparsed == unparsed
    assert not [name for name in found if "great_circle" in name]


def test_words_and_degrees_share_no_number():
    """One answer in words, two in degrees, one of nothing: each form has its own metrics, over its own answers."""
    items = [record for record in our_records() if record.question_type == "DOA"][:4]
    (azimuth, elevation), (other, height) = true_bearing(items[1]), true_bearing(items[2])
    texts = [items[0].answer, f"azimuth {azimuth} degrees, elevation {elevation} degrees",
             f"azimuth {other} degrees, elevation {height - 30 if height > 0 else height + 30} degrees", "?"]  # fmt: skip
    found = compute_metrics(read_answers(items, texts), None)
    values = {name: float(metric.strict(np.ones((1, 4)))[0]) for name, metric in found.items() if name.startswith("B_")}
    assert values["B_region_distance_mean"] == 0 and values["B_region_ER20"] == 75
    assert values["B_great_circle_mean"] == pytest.approx(15) and values["B_great_circle_ER20"] == 50
    assert found["B_region_distance_mean"].unparsed == 3 and found["B_great_circle_mean"].unparsed == 2
    assert found["B_region_distance_mean"].lenient_unparsed == 1
    assert {found[f"B_{name}"].protocol for name in ("great_circle_ER20", "great_circle_median")} == {"diagnostic, angle"}


@pytest.mark.parametrize(
    ("kind", "key", "apart"),
    [
        ("AZIMUTH_DEG", "azimuth_deg", on_circle),
        ("ROTATED_AZIMUTH", "azimuth_deg", on_circle),
        ("ELEVATION_DEG", "elevation_deg", lambda a, b: abs(a - b)),
        ("AZIMUTH_CLOCK", "clock_hour", lambda a, b: 30 * min((a - b) % 12, (b - a) % 12)),
    ],
)
def test_angles(noisy, kind, key, apart):
    rows, found = noisy
    errors = [apart(value[key], truth[key]) for _, _, truth, value in rows[kind] if value is not None]
    unparsed = sum(value is None for _, _, _, value in rows[kind])
    assert found[f"{kind}_MAE"][0] == pytest.approx(np.mean(errors))
    if kind == "AZIMUTH_CLOCK":
        assert found[f"{kind}_hour_error"][0] == pytest.approx(np.mean(errors) / 30)
        return
    assert found[f"{kind}_median_error"][0] == pytest.approx(np.median(errors))
    share = (sum(error > 20 for error in errors) + unparsed) / len(rows[kind])
    assert found[f"{kind}_ER20"][0] == pytest.approx(100 * share)
    assert found[f"{kind}_within_20"][0] == pytest.approx(100 * (1 - share))


def test_sides_read_off_the_angle(noisy):
    """Only truths at least 10 degrees from the plane count; in degrees, without a sine."""
    rows, found = noisy

    def side(azimuth):
        return None if azimuth % 180 == 0 else "left" if azimuth > 0 else "right"

    def half(azimuth):
        return None if abs(azimuth) == 90 else "front" if abs(azimuth) < 90 else "behind"

    for name, of, border in (("left_right_acc", side, 0), ("front_behind_acc", half, 90)):
        clear = [
            (truth["azimuth_deg"], None if value is None else value["azimuth_deg"])
            for _, _, truth, value in rows["AZIMUTH_DEG"]
            if 10 <= (truth["azimuth_deg"] - border) % 180 <= 170
        ]
        right = [said is not None and of(said) == of(true) for true, said in clear]
        assert found[f"AZIMUTH_DEG_{name}"][0] == pytest.approx(100 * np.mean(right))
        assert len(found[f"AZIMUTH_DEG_{name}"][1].rows) == len(clear)


@pytest.mark.parametrize("kind", ["RELATION_LEFT", "RELATION_BEHIND"])
def test_sets_of_names(noisy, kind):
    rows, found = noisy
    labels = sorted({label for _, _, truth, value in rows[kind] for v in (truth, value) if v for label in v["labels"]})

    def table(column):
        return np.array([[label in (row[column] or {"labels": []})["labels"] for label in labels] for row in rows[kind]])

    true, said = table(2), table(3)
    f1 = sklearn_metrics.f1_score(true, said, average="samples", zero_division=0)
    assert found[f"{kind}_F1"][0] == pytest.approx(100 * f1)
    assert found[f"{kind}_exact"][0] == pytest.approx(100 * sklearn_metrics.accuracy_score(true, said))


def test_counts_durations_words(noisy):
    rows, found = noisy
    counted = [(truth["count"], value["count"]) for _, _, truth, value in rows["COUNT_SOURCES"] if value is not None]
    assert found["COUNT_SOURCES_MAE"][0] == pytest.approx(np.mean([abs(a - b) for a, b in counted]))
    lasted = [(truth["duration_s"], value and value["duration_s"]) for _, _, truth, value in rows["DURATION"]]
    read = [(a, b) for a, b in lasted if b is not None]
    assert found["DURATION_MAE"][0] == pytest.approx(np.mean([abs(a - b) for a, b in read]))
    ratio = [0 if b is None else min(a, b) / max(a, b) for a, b in lasted]
    assert found["DURATION_length_ratio"][0] == pytest.approx(100 * np.mean(ratio))
    assert "DURATION_temporal_iou" not in found
    off = [b is None or abs(a - b) / a > 0.2 + 1e-9 for a, b in lasted]
    assert found["DURATION_ER_relative"][0] == pytest.approx(100 * np.mean(off))
    for kind in ("PRESENT", "ROOM_RT60"):
        true, said = zip(*[(str(truth), str(value)) for _, _, truth, value in rows[kind]], strict=True)
        recalls = [np.mean([b == a for a, b in zip(true, said, strict=True) if a == answer]) for answer in sorted(set(true))]
        assert found[f"{kind}_balanced_acc"][0] == pytest.approx(100 * np.mean(recalls))
        assert found[f"{kind}_exact"][0] == pytest.approx(100 * sklearn_metrics.accuracy_score(true, said))


def test_onset_error_is_read_off_the_scene(noisy):
    rows, found = noisy
    errors = []
    for record, _, truth, value in rows["STARTS_AT"]:
        labels = [source.label for source in record.scene.sources]
        onsets = dict(zip(labels, [true.onset_s for true in record.scene.truth.sources], strict=True))
        if len(onsets) == len(labels) and value is not None and value["labels"][0] in onsets:
            errors.append(abs(onsets[value["labels"][0]] - onsets[truth["labels"][0]]))
    assert 0 < len(errors) < len(rows["STARTS_AT"])
    assert found["STARTS_AT_onset_error"][0] == pytest.approx(np.mean(errors))


def test_spans_counted_in_tenths_of_a_second(noisy):
    """Times are whole tenths, so intersection and union are counts of tenths, as Python's sets count them."""
    rows, found = noisy

    def tenths(value):
        return set(range(round(10 * value["onset_s"]), round(10 * value["offset_s"])))

    pairs = [(truth, value) for _, _, truth, value in rows["SPAN"]]
    overlap = [0 if said is None else len(tenths(a) & tenths(said)) / len(tenths(a) | tenths(said)) for a, said in pairs]
    assert 0 in overlap and 1 in overlap and len(set(overlap)) > 20
    assert found["SPAN_temporal_iou"][0] == pytest.approx(100 * np.mean(overlap))
    assert found["SPAN_iou_at_least_50"][0] == pytest.approx(100 * np.mean([share >= 0.5 for share in overlap]))
    for least in (0.3, 0.7):
        shares = [share > least - 1e-12 for share in overlap]
        assert found[f"SPAN_iou_at_least_{100 * least:.0f}"][0] == pytest.approx(100 * np.mean(shares))
    read = [(truth, said) for truth, said in pairs if said is not None]
    for end in ("onset", "offset"):
        errors = [abs(truth[f"{end}_s"] - said[f"{end}_s"]) for truth, said in read]
        assert found[f"SPAN_{end}_error"][0] == pytest.approx(np.mean(errors))
    assert found["SPAN_temporal_iou"][1].unparsed == len(pairs) - len(read) > 0


def test_spans_worked_by_hand():
    """True 1 to 3 s four times: the same, half of it, a neighbour, and what cannot be read."""
    item = next(record for record in our_records() if record.question_type == "SPAN")
    items = [replace(item, answer="1 to 3 s", truth={"onset_s": 1.0, "offset_s": 3.0})] * 4
    texts = ["1 to 3 s", "from 0.5 s to 2.0 s", "3 to 4 s", "for 2 s"]  # 2 of 2 s; 1 of 2.5 s; 0 of 3 s; unparsed
    found = {
        name: metric for name, metric in compute_metrics(read_answers(items, texts), None).items() if name.startswith("SPAN")
    }
    values = {name: float(metric.strict(np.ones((1, 4)))[0]) for name, metric in found.items()}
    assert values == pytest.approx(
        {
            "SPAN_exact": 25.0, "SPAN_iou_at_least_50": 25.0, "SPAN_temporal_iou": 100 * (1 + 1 / 2.5) / 4,
            "SPAN_iou_at_least_30": 50.0, "SPAN_iou_at_least_70": 25.0,
            "SPAN_onset_error": (0 + 0.5 + 2) / 3, "SPAN_offset_error": (0 + 1 + 1) / 3,
        }
    )  # fmt: skip
    assert {metric.unparsed for metric in found.values()} == {1}
    halved = compute_metrics(read_answers(items[:1], ["1 to 2 s"]), None)["SPAN_iou_at_least_50"]
    assert halved.strict(np.ones((1, 1)))[0] == 100


def test_distance_worked_by_hand():
    """Truths 2 m and 4 m; answered 2.4 m (right by both rules) and 3.4 m (0.6 m off, 15 %)."""
    items = [record for record in our_records() if record.question_type == "DOA"][:2]
    truths = [Location("left", "front", "above", 2.0), Location("left", "front", "above", 4.0)]
    items = [
        replace(i, answer=format_location(t), truth=t.to_dict(), about=None) for i, t in zip(items, truths, strict=True)
    ]
    found = compute_metrics(read_answers(items, ["left, front, above; 2.4m", "right, front; 3.4m"]), None)
    values = {
        name: round(float(metric.strict(np.ones((1, 2)))[0]), 6)
        for name, metric in found.items()
        if metric.strict.items == 2
    }
    assert values["B_DER"] == 50 and values["B_DER_relative"] == 0
    assert values["B_distance_MAE"] == 0.5 and values["B_distance_relative_error"] == 17.5
    assert values["B_distance_RMSE"] == round(math.sqrt((0.4**2 + 0.6**2) / 2), 6)
    assert values["B_direction_acc"] == 50 and values["B_left_right_acc"] == 50 and values["B_front_behind_acc"] == 100
    assert values["B_distance_pearson"] == 1
