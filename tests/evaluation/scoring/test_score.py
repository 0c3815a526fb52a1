"""From predictions.jsonl to scores.json: truth scores perfectly, broken files are refused, protocols keep apart."""

import json

import pytest

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predictions import PREDICTIONS, RUN, PredictionWriter, prediction_line
from spatial_llm.evaluation.published import published_scores
from spatial_llm.evaluation.report.scores_table import format_table
from spatial_llm.evaluation.scoring.score import score, score_run
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.files import write_json
from spatial_llm.jsonl import write_jsonl
from tests.evaluation.fixtures_small import write_small_set
from tests.evaluation.fixtures_toy import embed_words

WORDS = ["bell", "dog", "speech", "rain"]
embed = embed_words(WORDS)


@pytest.fixture
def questions(tmp_path):
    return read_evaluation_set(write_small_set(tmp_path / "data"))


def write(questions, folder, texts=None):
    """predictions.jsonl in which every text is the truth, unless given."""
    texts = [item.answer for item in questions.items] if texts is None else texts
    folder.mkdir(exist_ok=True)
    lines = [prediction_line(item, text) for item, text in zip(questions.items, texts, strict=True)]
    write_jsonl(folder / PREDICTIONS, lines)
    return folder / PREDICTIONS


def test_truth_scores_perfectly(questions, tmp_path):
    report = score(write(questions, tmp_path / "out"), questions, embed, "all-MiniLM-L6-v2")
    metrics = report["metrics"]
    published = ("A_mAP", "B_direction_acc", "B_left_right_acc", "C_mAP", "D_direction_acc", "E_acc", "E_direction_acc")
    assert {entry: metrics[entry]["value"] for entry in published} == dict.fromkeys(published, 100)
    for name, entry in metrics.items():
        perfect = 100 if entry["unit"] == "%" else 1
        assert entry["value"] == pytest.approx(perfect if entry["higher_is_better"] else 0), name
        assert entry["unparsed"] == entry["refused"] == 0
        assert entry["lenient"] is None or entry["lenient"]["value"] == entry["value"]
        assert entry["low"] == pytest.approx(entry["high"]) == pytest.approx(entry["value"]), "three recordings, all right"
    assert metrics["E_acc"]["n"] == 6 and metrics["A_mAP"]["n"] == 3
    assert report["unreadable_truths"] == {}


def test_the_worst_answers_score_zero(questions, tmp_path):
    texts = ["?" for _ in questions.items]
    metrics = score(write(questions, tmp_path / "out", texts), questions, embed, "toy")["metrics"]
    for name in ("B_direction_acc", "B_left_right_acc", "D_above_below_acc", "E_acc", "E_nonbinary_source_acc"):
        assert metrics[name]["value"] == 0
    assert metrics["D_DER"]["value"] == 100 and metrics["D_DER"]["unparsed"] == 3


def test_axes_are_scored_apart(questions, tmp_path):
    """Left/right can be right where the other axes are not."""
    texts = [item.answer.replace("front", "behind") for item in questions.items]
    metrics = score(write(questions, tmp_path / "out", texts), questions, embed, "toy")["metrics"]
    assert metrics["B_left_right_acc"]["value"] == 100
    assert metrics["B_direction_acc"]["value"] == metrics["B_front_behind_acc"]["value"] == pytest.approx(200 / 3)


def test_protocols_never_mix(questions, tmp_path):
    report = score(write(questions, tmp_path / "out"), questions, embed, "all-MiniLM-L6-v2")
    assert report["metrics"]["A_mAP"]["protocol"] == "bat, all-MiniLM-L6-v2"
    assert report["metrics"]["A_mean_cosine"]["protocol"] == "dspast, all-MiniLM-L6-v2"
    assert report["metrics"]["A_mean_cosine"]["published"] == []
    assert not any(row["comparable"] for entry in report["metrics"].values() for row in entry["published"])
    table = format_table(report)
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if "`A_mAP`" in line]
    by_protocol = {tuple(row[2:4]): row for row in rows[1:]}
    assert by_protocol["bat, all-MiniLM-L6-v2", "unstated"][4] == "100.00"  # no run.json says how these were decoded
    for protocol, decoding, published in (
        ("all-MiniLM-L6-v2", "greedy", "27.15"),
        ("text-embedding-3-small", "4 beams", "26.34"),
    ):
        row = by_protocol[f"bat, {protocol}", decoding]
        assert row[4] == "-" and published in row
    assert "None of these is comparable" in table


def test_scores_are_the_same_bytes_twice_and_hold_no_paths(questions, tmp_path):
    path = write(questions, tmp_path / "out")
    for name in ("a", "b"):
        write_json(tmp_path / f"{name}.json", score(path, questions, embed, "toy"))
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    assert str(tmp_path) not in text and '"manifest_sha256"' in text


def test_label_csv_sets_the_label_set(questions, tmp_path):
    csv = tmp_path / "labels.csv"
    csv.write_text("index,mid,display_name\n" + "".join(f"{i},/m/{i},{word.title()}\n" for i, word in enumerate(WORDS)))
    path = write(questions, tmp_path / "out")
    assert score(path, questions, embed, "toy", csv)["metrics"]["C_mAP"]["details"]["labels_averaged"] == 3
    csv.write_text("index,mid,display_name\n0,/m/0,Bell\n")
    with pytest.raises(ManifestError, match=r"record 'q1': label 'dog' is not in the label set"):
        score(path, questions, embed, "toy", csv)


def test_intervals_are_the_bootstrap_of_whole_recordings(questions, tmp_path):
    """Three recordings, of which one is answered: a resample holds it 0 to 3 times in 3."""
    texts = [item.answer if item.recording_id == "r0" else "?" for item in questions.items]
    report = score(write(questions, tmp_path / "out", texts), questions, embed, "toy")
    entry = report["metrics"]["E_direction_acc"]
    assert (entry["value"], entry["low"], entry["high"]) == (pytest.approx(100 / 3), 0, 100)
    assert entry["n"] == entry["recordings"] == 3 and (report["items"], report["recordings"]) == (27, 3)
    assert report["resamples"] == 1000 and report["seed"] == 0 and report["confidence"] == 0.95
    assert set(entry) == {
        "value", "low", "high", "lenient", "n", "recordings", "unparsed", "refused", "unit", "higher_is_better", "protocol",
        "rule", "random", "details", "published",
    }  # fmt: skip


def test_lenient_reading_stands_beside(questions, tmp_path):
    texts = [f"I would say {item.answer}" if item.type == "E" else item.answer for item in questions.items]
    entry = score(write(questions, tmp_path / "out", texts), questions, embed, "toy")["metrics"]["E_acc"]
    assert entry["value"] == 0 and entry["unparsed"] == 6
    assert entry["lenient"] == {"value": 100, "low": 100, "high": 100, "unparsed": 0}


def test_a_task_chooses_protocols_resamples_and_seed(questions, tmp_path):
    path = write(questions, tmp_path / "out")
    settings = ScoreSettings(resamples=50, seed=7, protocols=("bat",), task={"name": "mine", "version": 1, "sha256": "0"})
    report = score(path, questions, embed, "toy", settings=settings)
    assert {entry["protocol"] for entry in report["metrics"].values()} == {"bat", "bat, toy"}
    assert set(report["protocols"]) == {"bat"} and report["task"]["name"] == "mine"
    assert (report["resamples"], report["seed"]) == (50, 7)
    everything = score(path, questions, embed, "toy")
    for entry in everything["metrics"].values():
        assert any(entry["protocol"].startswith(name) for name in everything["protocols"])
    assert everything["task"] is None and set(everything["responses"]) == {"recorded"}


def test_items_say_what_was_read_and_measured(questions, tmp_path):
    texts = [item.answer for item in questions.items]
    texts[3], texts[6] = "left, front; 2.4m", "I cannot tell."
    _, lines = score_run(write(questions, tmp_path / "out", texts), questions, embed, "toy")
    assert [line["id"] for line in lines] == [item.id for item in questions.items]
    half, refused, located = lines[3], lines[6], lines[4]
    assert half["strict"] is None and half["measures"]["left_right_right"] == 1 and half["measures"]["right"] == 0
    assert half["measures"]["distance_error_m"] == pytest.approx(0.4) and half["measures"]["great_circle_deg"] is None
    assert refused["refused"] and not half["refused"] and refused["prediction"] == "I cannot tell."
    assert located["strict"] == located["lenient"] == questions.items[4].truth
    assert located["measures"]["direction_right"] == 1 and located["where"] is None
    assert located["context"] == {"sources": None, "rt60_s": None, "drr_db": None, "snr_db": None, "labels": []}
    assert set(located) == {
        "id", "recording_id", "type", "question_type", "question", "answer", "prediction", "strict", "lenient", "refused",
        "measures", "where", "context",
    }  # fmt: skip


def add_control(questions, folder, name, answer, recordings=("r0", "r1", "r2")):
    """A finished control of a run in `folder`, whose every text is `answer(item)`."""
    items = [item for item in questions.items if item.recording_id in recordings]
    writer = PredictionWriter(folder / "controls" / name, settings_of(questions) | {"control": {"name": name}})
    writer.add({item.id: answer(item) for item in items})
    return writer.finish(items)


def settings_of(questions):
    return {"manifest_sha256": questions.sha256, "control": None}


SWAP = str.maketrans({"\u0001": "right", "\u0002": "left"})


def swap(text):
    return text.replace("left", "\u0001").replace("right", "\u0002").translate(SWAP)


def test_controls_stand_beside_the_real_run_on_the_same_items(questions, tmp_path):
    path = finished(questions, tmp_path / "out", settings_of(questions))
    add_control(questions, path.parent, "no_audio", lambda item: "?", recordings=("r0", "r1"))
    add_control(questions, path.parent, "ears_swapped", lambda item: swap(item.answer))
    report = score(path, questions, embed, "toy")
    controls = report["controls"]
    assert list(controls) == ["ears_swapped", "ears_swapped_mirrored", "no_audio", "question_only"]
    silent = controls["no_audio"]
    assert silent["from"] == "model" and silent["recordings"] == 2
    entry = silent["metrics"]["B_direction_acc"]
    assert (entry["value"], entry["n"], entry["unparsed"]) == (0, 2, 2) and entry["same_items"]["value"] == 100
    swapped, mirrored = controls["ears_swapped"]["metrics"], controls["ears_swapped_mirrored"]["metrics"]
    assert swapped["B_left_right_acc"]["value"] == 0 and swapped["B_front_behind_acc"]["value"] == 100
    assert mirrored["B_left_right_acc"]["value"] == mirrored["D_direction_acc"]["value"] == 100
    assert mirrored["B_left_right_acc"]["same_items"]["value"] == 100
    assert "left out: " in controls["ears_swapped_mirrored"]["note"]
    assert swapped["C_mAP"]["n"] == 3 and "C_mAP" not in mirrored, "what sounds on the other side is not known"
    guessed = controls["question_only"]
    assert guessed["from"] == "question" and guessed["recordings"] == 3
    assert set(guessed["metrics"]) == set(report["metrics"])
    assert guessed["metrics"]["B_direction_acc"]["value"] < 100
    for control in controls.values():
        for entry in control["metrics"].values():
            assert set(entry) == {"value", "low", "high", "n", "unparsed", "same_items"}
            assert set(entry["same_items"]) == {"value", "low", "high"}


def test_a_control_of_another_run_is_refused(questions, tmp_path):
    path = finished(questions, tmp_path / "out", settings_of(questions))
    control = add_control(questions, path.parent, "no_audio", lambda item: "?")
    control.parent.rename(control.parent.with_name("other_audio"))
    with pytest.raises(ManifestError, match="made with another control"):
        score(path, questions, embed, "toy")
    add_control(questions, path.parent, "other_audio", lambda item: "?")
    broken(path.parent / "controls" / "other_audio" / PREDICTIONS, lambda lines: lines[:-1])
    with pytest.raises(ManifestError, match="has changed since"):
        score(path, questions, embed, "toy")


def test_a_metric_that_is_undefined_is_null(questions, tmp_path):
    """All answers alike: no correlation; none that parses: no error."""
    texts = ["left, front, above; 2m" if item.type == "B" else "?" for item in questions.items]
    report = score(write(questions, tmp_path / "out", texts), questions, embed, "toy")
    metrics = report["metrics"]
    assert metrics["B_distance_pearson"]["value"] is None and metrics["D_distance_MAE"]["value"] is None
    write_json(tmp_path / "scores.json", report)
    assert format_table(report)


def broken(path, change):
    """Applies `change` to the lines of a file, as bytes."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:-1], lines[-1][:40]], r"predictions\.jsonl:27: not JSON.*is the line cut"),
        (lambda lines: [*lines, lines[3]], r"predictions\.jsonl:28: id 'q3' occurs twice"),
        (lambda lines: lines[2:], r"2 questions have no prediction: 'q0', 'q1'"),
        (lambda lines: [*lines, lines[0].replace(b"q0", b"zz")], r"1 ids are not in the manifest: 'zz'"),
        (lambda lines: [lines[0].replace(b"What", b"Wh\xe4t"), *lines[1:]], r"predictions\.jsonl:1: not UTF-8"),
        (lambda lines: [lines[0].replace(b"prediction", b"guess"), *lines[1:]], r":1: prediction missing"),
        (lambda lines: [lines[0].replace(b"What", b"Who"), *lines[1:]], r"'q0' has another question"),
        (lambda lines: [], "27 questions have no prediction"),
    ],
)
def test_broken_predictions_are_refused(questions, tmp_path, change, message):
    path = write(questions, tmp_path / "out")
    broken(path, change)
    with pytest.raises(ManifestError, match=message):
        score(path, questions, embed, "toy")


def finished(questions, folder, settings):
    writer = PredictionWriter(folder, settings)
    writer.add({item.id: item.answer for item in questions.items})
    return writer.finish(questions.items)


def test_predictions_for_another_manifest_are_refused(questions, tmp_path):
    path = finished(questions, tmp_path / "out", {"manifest_sha256": "0" * 64})
    with pytest.raises(ManifestError, match="was made for questions of sha256 000"):
        score(path, questions, embed, "toy")


def test_predictions_changed_after_the_run_are_refused(questions, tmp_path):
    path = finished(questions, tmp_path / "out", {"manifest_sha256": questions.sha256, "decoding": {"num_beams": 1}})
    assert score(path, questions, embed, "toy")["run"]["decoding"] == {"num_beams": 1}
    path.write_text(path.read_text().replace('"prediction": "Yes"', '"prediction": "No"'))
    with pytest.raises(ManifestError, match="has changed since"):
        score(path, questions, embed, "toy")
    (path.parent / RUN).unlink()
    assert score(path, questions, embed, "toy")["run"] is None


def test_lone_surrogates_and_line_separators_survive(questions, tmp_path):
    """What a model may generate must not break the file."""
    writer = PredictionWriter(tmp_path / "out", {"manifest_sha256": questions.sha256})
    writer.add({item.id: "a\u2028b \ud800\n\x00" for item in questions.items})
    path = writer.finish(questions.items)
    assert len(path.read_bytes().splitlines()) == 27
    assert score(path, questions, embed, "toy")["metrics"]["E_acc"]["unparsed"] == 6


def test_published_rows_are_read():
    rows = published_scores()
    assert {row.benchmark for row in rows} == {"SpatialSoundQA"}
    best = {row.system: row.value for row in rows if row.metric == "B_direction_acc"}
    assert best["DSpAST single-stage"] == 78.84 and best["random"] == 12.57
    assert all(row.higher_is_better != row.metric.endswith("DER") for row in rows)
    assert all(row.protocol for row in rows)
    # a column of the published file that we do not compute would stand there for nobody
    assert json.dumps([row.to_dict() for row in rows])


def test_the_reading_of_the_task_is_reported(questions, tmp_path):
    """Of the run, of its controls and item by item; the other one stands beside."""
    texts = [f"I would say {item.answer}, about there" if item.type == "B" else item.answer for item in questions.items]
    texts = [text.replace("left", "on your left-hand side").replace("front", "ahead") for text in texts]
    path = write(questions, tmp_path / "out", texts)
    strict, lenient = (
        score_run(path, questions, embed, "toy", settings=ScoreSettings(resamples=20, reading=reading))
        for reading in ("strict", "lenient")
    )
    of_strict, of_lenient = (found[0]["metrics"]["B_direction_acc"] for found in (strict, lenient))
    assert of_strict["value"] < of_strict["lenient"]["value"] == of_lenient["value"] == 100
    assert of_strict["unparsed"] > of_lenient["unparsed"] == of_strict["lenient"]["unparsed"]
    rows = [index for index, item in enumerate(questions.items) if item.type == "B"]
    assert [lenient[1][row]["measures"]["direction_right"] for row in rows] == [1.0] * len(rows)
    assert any(strict[1][row]["measures"]["direction_right"] == 0 for row in rows)


def test_a_number_that_never_ends_is_unparsed_and_harms_no_mean(questions, tmp_path):
    endless = f"left, front, above; {'1' * 180}m"
    texts = [endless if item.type == "B" else item.answer for item in questions.items]
    entry = score(write(questions, tmp_path / "out", texts), questions, embed, "toy")["metrics"]["B_DER"]
    assert entry["unparsed"] == entry["n"] and entry["value"] == 100


def test_refusals_are_no_names_of_sounds(questions, tmp_path):
    texts = ["I cannot tell." for _ in questions.items]
    report, lines = score_run(write(questions, tmp_path / "out", texts), questions, embed, "toy")
    assert report["metrics"]["A_mAP"]["unparsed"] == report["metrics"]["A_mAP"]["refused"] == report["metrics"]["A_mAP"]["n"]
    assert all(line["strict"] is None and line["lenient"] is None and line["refused"] for line in lines)


def test_controls_that_the_task_lists_are_missed(questions, tmp_path):
    path = write(questions, tmp_path / "out")
    settings = ScoreSettings(resamples=20, controls=("no_audio", "ears_swapped"))
    report, _ = score_run(path, questions, embed, "toy", settings=settings)
    assert report["controls_missing"] == ["ears_swapped", "no_audio"]
    assert score(path, questions, embed, "toy")["controls_missing"] == []
