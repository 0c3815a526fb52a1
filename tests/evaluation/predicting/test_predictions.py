"""The file of predictions: what is cut, doubled, missing, foreign or not text stops with file and line, in controls too."""

import pytest

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predictions import (
    CONTROL_FOLDER,
    PREDICTIONS,
    RUN,
    PredictionWriter,
    control_names,
    read_control,
    read_predictions,
    read_run,
)
from tests.evaluation.fixtures_small import write_small_set


@pytest.fixture
def questions(tmp_path):
    return read_evaluation_set(write_small_set(tmp_path / "data"))


@pytest.fixture
def written(questions, tmp_path):
    """predictions.jsonl of a finished run and of one control on the first 18 questions."""

    def write(folder, items, **settings):
        writer = PredictionWriter(folder, {"manifest_sha256": questions.sha256, "seed": 0, **settings})
        writer.add({item.id: f"{item.answer}, I think" for item in items})
        return writer.finish(items)

    path = write(tmp_path / "out", questions.items, control=None)
    write(path.parent / CONTROL_FOLDER / "no_audio", questions.items[:18], control={"name": "no_audio", "recordings": 2})
    return path


BROKEN = [
    (lambda lines: [*lines[:-1], lines[-1][:40]], r"predictions\.jsonl:\d+: not JSON.*is the line cut"),
    (lambda lines: [*lines, lines[3]], r"predictions\.jsonl:\d+: id 'q3' occurs twice; keep one line"),
    (lambda lines: [lines[0].replace(b"What", b"Wh\xe4t"), *lines[1:]], r"predictions\.jsonl:1: not UTF-8"),
    (lambda lines: [b'{"id": "q0"}\n', *lines[1:]], r"predictions\.jsonl:1: recording_id, .* missing or not text"),
    (lambda lines: [lines[0].replace(b'"q0"', b'"other"'), *lines[1:]], r"1 ids are not in the manifest: 'other'"),
    (lambda lines: [lines[0].replace(b'"answer": "bell"', b'"answer": "dog"'), *lines[1:]], r"id 'q0' has another answer"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=["cut", "doubled", "bytes", "fields", "foreign", "changed"])
@pytest.mark.parametrize("control", [False, True], ids=["run", "control"])
def test_broken_lines_stop_with_file_and_line(questions, written, change, message, control):
    """Without run.json beside it, whose hash would find any change."""
    folder = written.parent / CONTROL_FOLDER / "no_audio" if control else written.parent
    path = folder / PREDICTIONS
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    (folder / RUN).unlink()
    with pytest.raises(ManifestError, match=message):
        if control:
            read_control(written, "no_audio", questions.items, questions.sha256)
        else:
            read_predictions(path, questions.items, questions.sha256)


def test_missing_ids_stop_a_run_but_not_a_control(questions, written):
    rows, texts = read_control(written, "no_audio", questions.items, questions.sha256)
    assert rows == list(range(18)) and texts[0] == "bell, I think"
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join([*lines[:5], *lines[7:]]))
    (written.parent / RUN).unlink()
    with pytest.raises(ManifestError, match=r"2 questions have no prediction: 'q5', 'q6'"):
        read_predictions(written, questions.items, questions.sha256)


def test_another_manifest_stops_both(questions, written):
    with pytest.raises(ManifestError, match=rf"made for questions of sha256 {questions.sha256}, these have ffff"):
        read_predictions(written, questions.items, "f" * 64)
    with pytest.raises(ManifestError, match="made for questions of sha256"):
        read_control(written, "no_audio", questions.items, "f" * 64)


@pytest.mark.parametrize(("text", "message"), [("{", r"run\.json: not JSON"), ("[]", r"run\.json: a list, expected")])
def test_a_damaged_run_stops(questions, written, text, message):
    (written.parent / RUN).write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_predictions(written, questions.items, questions.sha256)


def test_unfinished_controls_are_not_listed(questions, written):
    assert control_names(written) == ["no_audio"]
    PredictionWriter(written.parent / CONTROL_FOLDER / "ears_equal", read_run(written))
    assert control_names(written) == ["no_audio"]
    assert control_names(written.parent / CONTROL_FOLDER / "no_audio" / PREDICTIONS) == []
