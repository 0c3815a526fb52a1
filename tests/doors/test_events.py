"""eval/events.py as it is called: frame labels against frame labels, a manifest against captions, errors in sentences."""

import json
import runpy
import sys

import pytest

from spatial_llm.files import sha256_of
from tests.data.importing.dcase_folder import frames, write_csv
from tests.evaluation.fixtures_events import write_events_manifest


@pytest.fixture
def door(repository, monkeypatch):
    def run(**options):
        monkeypatch.setattr(sys, "argv", ["events", *(f"--{key}={value}" for key, value in options.items())])
        runpy.run_path(str(repository / "eval" / "events.py"), run_name="__main__")

    return run


def test_dcase_csv_against_dcase_csv_twice_the_same_bytes(door, tmp_path, capsys):
    for index in (1, 2):
        name = f"fold4_room1_mix00{index}.csv"
        walk = [(frame, 6, 1, -60 + frame, 0, 200) for frame in range(20, 80)]
        write_csv(tmp_path / "true" / name, walk + frames(0, 49, 8, 0, 30, 10))
        told = [(frame, 6, 1 + (frame >= 50), -55 + frame, 0, 250) for frame in range(20, 80)]
        write_csv(tmp_path / "told" / name, told + frames(0, 19, 3, 0, 30, 10))
    given = {"reference": tmp_path / "true", "predicted": tmp_path / "told", "resamples": 50}
    for out in ("one", "two"):
        door(**given, **{"files.data_set": "starss23-foa"}, out=tmp_path / out)
    printed = capsys.readouterr().out
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "two"))
    assert first == second and sorted(first) == ["scores.json", "scores.md"]
    report = json.loads(first["scores.json"])
    values = {name: entry["value"] for name, entry in report["metrics"].items()}
    assert values["direction_error"] == pytest.approx(5.0) and values["track_distance_error"] == pytest.approx(25.0)
    assert values["direction_coverage"] == pytest.approx(100 * 60 / 110)
    assert report["counts"]["identity_switches"] == 2  # the second source goes on where the first ends, in each recording
    assert report["counts"]["hallucinated_label"] == 2  # of a class that does not sound
    assert len(report["reference_sha256"]) == len(report["predicted_sha256"]) == 2
    assert report["provenance"]["seed"] == 0 and report["files"]["data_set"] == "starss23-foa"
    assert printed.rstrip().splitlines()[-1].startswith("Verdict: of 100 events, 50 (50 to 50) are found")


def test_a_manifest_against_captions(door, tmp_path, capsys):
    manifest, told = write_events_manifest(tmp_path / "eval.jsonl"), tmp_path / "told.jsonl"
    captions = {
        "one": "0.1 to 0.5 s bell, left; 0.4 to 1.0 s rain, right, azimuth -100 degrees",
        "two": "0.0 to 0.9 s rain",
        "three": "0.3 to 0.8 s bell",
    }
    lines = [json.dumps({"recording": name, "caption": caption}) + "\n" for name, caption in captions.items()]
    told.write_text("".join(lines))
    door(reference=manifest, predicted=told, out=tmp_path / "out", resamples=50)
    report = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert report["recordings"] == 3 and report["unparsed_captions"] == []
    assert report["metrics"]["event_F1_200ms"]["value"] == 100
    assert report["counts"]["matched_frames"] == 6  # of the one place that is told in degrees
    assert report["metrics"]["direction_error"]["value"] == pytest.approx(0, abs=0.01)
    told.write_text("".join([*lines[:2], json.dumps({"recording": "three", "caption": "I cannot tell."})]) + "\n")
    door(reference=manifest, predicted=told, out=tmp_path / "out", resamples=50)
    assert "1 captions could not be parsed and count as no events: three" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert report["unparsed_captions"] == ["three"] and report["metrics"]["event_recall_200ms"]["value"] == 75


def test_predictions_are_scored_on_the_recordings_that_were_asked_for_a_caption(door, tmp_path):
    manifest, told = write_events_manifest(tmp_path / "eval.jsonl"), tmp_path / "predictions.jsonl"
    line = {"id": "a", "type": "caption", "question_type": "CAPTION", "question": "What sounds when?", "answer": ""}
    said = {"recording_id": "two", "prediction": "0.0 to 0.9 s rain; 0.2 to 0.4 s bell"}
    told.write_text(json.dumps(line | said) + "\n")
    door(reference=manifest, predicted=told, out=tmp_path / "out", resamples=50)
    report = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert report["recordings"] == 1 and report["counts"]["reference_events"] == 1
    assert report["metrics"]["event_recall_200ms"]["value"] == 100 and report["metrics"]["hallucinated"]["value"] == 50
    assert report["provenance"]["manifest_sha256"] == report["reference_sha256"]["eval.jsonl"] == sha256_of(manifest)
    told.write_text(json.dumps(line | said | {"recording_id": "unknown"}) + "\n")
    with pytest.raises(SystemExit, match="unknown"):
        door(reference=manifest, predicted=told, out=tmp_path / "out")


def test_errors_are_sentences_and_leave_nothing(door, tmp_path):
    write_csv(tmp_path / "true" / "a.csv", [(0, 1, 0, 10, 5, 250)])
    with pytest.raises(SystemExit, match="none: no such file or folder"):
        door(
            reference=tmp_path / "true",
            predicted=tmp_path / "none",
            out=tmp_path / "out",
            **{"files.classes": "[bell, dog]"},
        )
    with pytest.raises(SystemExit, match=r"--files.data_set starss23-foa"):
        door(reference=tmp_path / "true", predicted=tmp_path / "true", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
