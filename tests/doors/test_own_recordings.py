"""Twelve recordings of one's own and a CSV become a fine-tuned model and its scores: the tutorial, then the doors."""

import json
import re
import runpy
import sys

import pytest

from spatial_llm.data.records import read_manifest


@pytest.mark.slow
def test_from_a_table_to_a_model_and_its_scores(repository, tmp_path, monkeypatch, capsys) -> None:
    out, steps = tmp_path / "tutorial", 4
    text = (repository / "recipes" / "tutorials" / "3_finetune.py").read_text(encoding="utf-8")
    (tmp_path / "3_finetune.py").write_text(re.sub(r"(?m)^STEPS = .*", f"OUT, STEPS = {str(out)!r}, {steps}", text))
    monkeypatch.chdir(repository)
    runpy.run_path(str(tmp_path / "3_finetune.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "'train': {'questions': 27, 'recordings': 9" in printed and "'eval': {'questions': 9, 'recordings': 3" in printed
    assert "| open (trained now) " in printed and "OPEN_mean_cosine" in printed and printed.count("answer: ") == 6

    def door(path: str, **options: object) -> str:
        monkeypatch.setattr(sys, "argv", [path, *(f"--{name}={value}" for name, value in options.items())])
        runpy.run_path(str(repository / path), run_name="__main__")
        return capsys.readouterr().out

    data, run = tmp_path / "data", tmp_path / "run"
    printed = door("data/import_recordings.py", csv=out / "recordings" / "my.csv", out=data)
    assert "eval: 9 questions about 3 recordings (3 AZIMUTH_DEG, 3 CLASSIFICATION, 3 OPEN)" in printed
    train, unseen = (read_manifest(data / f"{split}.jsonl") for split in ("train", "eval"))
    assert {record.known.room for record in train}.isdisjoint(record.known.room for record in unseen)
    door("data/check_manifest.py", files=f"[{data}/train.jsonl, {data}/eval.jsonl]", png=tmp_path / "check.png")
    options = {"start_from": "tiny", "schedule.steps": steps, "schedule.batch_size": 9}
    config = repository / "recipes" / "configs" / "demo.yaml"
    door("recipes/finetune_bat.py", config=config, run_folder=run, train_manifest=data / "train.jsonl",
         cache_folder=tmp_path / "encoded", **options)  # fmt: skip
    for model, folder in (("tiny", "before"), (run / "model", "after")):
        asked = {"data": data / "eval.jsonl", "task": "eval/tasks/ours.yaml"}
        answers = tmp_path / folder / "predictions.jsonl"
        door("eval/predict.py", model=model, out=tmp_path / folder, **asked)
        printed = door("eval/score.py", predictions=answers, out=tmp_path / folder, **asked)
        assert "OPEN_exact" in printed and "OPEN_mean_cosine" in printed
    found = json.loads((tmp_path / "after" / "scores.json").read_text())
    assert found["unreadable_truths"] == {} and found["controls_missing"] == []
    free, azimuth = found["metrics"]["OPEN_mean_cosine"], found["metrics"]["AZIMUTH_DEG_MAE"]
    assert (free["n"], free["protocol"]) == (3, "text, all-MiniLM-L6-v2") and 0 < free["value"] < 1
    assert azimuth["n"] == 3 and 0 <= azimuth["value"] < 45
    door("eval/report.py", scores=tmp_path / "after", out=tmp_path / "report", **asked)
    assert "OPEN" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    two = {"first": tmp_path / "before" / "predictions.jsonl", "second": tmp_path / "after" / "predictions.jsonl"}
    assert "OPEN_mean_cosine" in door("eval/compare.py", out=tmp_path / "compared", **two, **asked)
