"""From an evaluation set in LTU's layout to scores.json: imported by the command, scored and compared by the tasks."""

import json

import numpy as np
import pytest
import soundfile

from spatial_llm.commands import load
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predictions import PREDICTIONS, prediction_line
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.evaluation.report.scores_table import format_table
from spatial_llm.evaluation.scoring.compare import compare_predictions
from spatial_llm.evaluation.scoring.score import score_run
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.jsonl import write_jsonl
from tests.evaluation.fixtures_toy import embed_words

embed = embed_words(["dog", "bell", "rain", "bark"])
QUESTION = "Close-ended question: Write an audio caption describing the sound."
LABELS = 'index,mid,display_name\n0,0,"Dog_bark"\n1,1,"Bell"\n2,2,"Rain"\n'


@pytest.fixture
def questions(tmp_path, request):
    """Five recordings of one channel, one class each or as the test gives them, imported by the command."""
    outputs = getattr(request, "param", ["Labels: Dog_bark", "Labels: Bell", "Labels: Rain", "Labels: Bell", "Labels: Rain"])
    audio, rows = tmp_path / "audio", []
    audio.mkdir()
    for number, output in enumerate(outputs):
        soundfile.write(audio / f"{number}.wav", 0.1 * np.sin(np.arange(1600) / (number + 3)), 16_000)
        rows.append(
            {"instruction": QUESTION, "input": "", "audio_id": f"/x/{number}.wav", "dataset": "esc50", "output": output}
        )
    (tmp_path / "esc50.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "labels.csv").write_text(LABELS)
    load("import-openaqa").main(
        [f"--json={tmp_path / 'esc50.json'}", f"--audio={audio}", "--strip=/x/", "--mono=both_ears", "--labels=output",
         "--split=eval", f"--out={tmp_path / 'data'}"]
    )  # fmt: skip
    return read_evaluation_set(tmp_path / "data" / "eval.jsonl")


def scored(questions, folder, texts, name):
    task = read_task(name)
    settings = ScoreSettings(resamples=50, protocols=task.protocols, task=task.identity(), controls=task.controls)
    folder.mkdir()
    lines = [prediction_line(item, text) for item, text in zip(questions.items, texts, strict=True)]
    write_jsonl(folder / PREDICTIONS, lines)
    return folder / PREDICTIONS, settings


def test_classes_from_the_released_layout_to_the_table(questions, tmp_path):
    texts = ["Audio caption: A dog barks.", "a bell", "rain", "rain and a bell, a bell", "a dog"]
    path, settings = scored(questions, tmp_path / "first", texts, "hearing_classes")
    report, _ = score_run(path, questions, embed, "toy", tmp_path / "labels.csv", settings)
    entry = report["metrics"]["OPEN_embedding_acc"]
    assert entry["value"] == 80 and entry["protocol"] == "hearing_classes, toy" and entry["published"] == []
    assert entry["low"] < 80 < entry["high"]
    assert report["metrics"]["OPEN_embedding_micro_F1"]["value"] == pytest.approx(80)
    assert set(report["protocols"]) == {"hearing_classes", "text"}
    assert "question_only" in report["controls"]
    assert "embedding_acc" in format_table(report)
    other, _ = scored(questions, tmp_path / "second", ["rain"] * 5, "hearing_classes")
    compared = compare_predictions(path, other, questions, embed, "toy", tmp_path / "labels.csv", settings)
    assert "OPEN_embedding_acc" in compared["metrics"]


@pytest.mark.parametrize("questions", [["Labels: Dog_bark; Rain", "Labels: Bell", "Labels: Rain"]], indirect=True)
def test_several_labels_and_captions(questions, tmp_path):
    texts = ["a dog in the rain", "a bell", "rain"]
    path, settings = scored(questions, tmp_path / "first", texts, "hearing_labels")
    report, _ = score_run(path, questions, embed, "toy", tmp_path / "labels.csv", settings)
    assert report["metrics"]["OPEN_embedding_mAP"]["value"] == 100
    path, settings = scored(questions, tmp_path / "captions", texts, "hearing_captions")
    report, _ = score_run(path, questions, embed, "toy", None, settings)
    assert report["metrics"]["OPEN_CIDEr"]["unit"] == "CIDEr" and report["metrics"]["OPEN_CIDEr"]["value"] > 0
    with pytest.raises(ManifestError, match="label 'Dog_bark' is not in the label set"):
        (tmp_path / "few.csv").write_text("index,mid,display_name\n0,0,Bell\n")
        path, settings = scored(questions, tmp_path / "few", texts, "hearing_classes")
        score_run(path, questions, embed, "toy", tmp_path / "few.csv", settings)
