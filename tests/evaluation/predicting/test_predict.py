"""Predictions: the same bytes twice, resumed or not; the same answers at any batch size; each recording encoded once."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.data.record import Pair
from spatial_llm.data.rendering import load_waveform
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.predicting.controls import check_controls, control_loader
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predict import predict
from spatial_llm.evaluation.predicting.predictions import (
    CONTROL_FOLDER,
    PART,
    PREDICTIONS,
    RUN,
    PredictionWriter,
    control_names,
    read_control,
)
from spatial_llm.evaluation.predicting.tasks import CONTROLS
from spatial_llm.locks import one_writer
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_processor
from tests.evaluation.fixtures_small import write_small_set
from tests.evaluation.fixtures_tasks import short_task
from tests.scenes.small import scene, source

SHORT = short_task()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with weights large enough that its answers depend on what it hears and is asked."""
    torch.manual_seed(0)
    net = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() > 1 and "conv" not in name:
                parameter.mul_(8)
    folder = tmp_path_factory.mktemp("model")
    SpatialLLM(net, tiny_processor()).save_pretrained(folder)
    return folder


@pytest.fixture
def questions(tmp_path):
    return read_evaluation_set(write_small_set(tmp_path / "data"))


def texts(path):
    return {line["id"]: line["prediction"] for line in map(json.loads, path.read_text().splitlines())}


def test_a_second_run_into_a_folder_is_refused_while_the_first_writes(model, questions, tmp_path):
    first = predict(model, questions, tmp_path / "a", SHORT)
    before = first.read_bytes()
    with one_writer(first, "predictions are being written"), pytest.raises(SpatialLLMError, match="are being written by"):
        predict(model, questions, tmp_path / "a", SHORT)
    assert first.read_bytes() == before and not (tmp_path / "a" / PART).exists()
    assert not [path for path in (tmp_path / "a").iterdir() if path.name.startswith(".")]


def test_two_runs_give_the_same_bytes(model, questions, tmp_path):
    first, second = (predict(model, questions, tmp_path / name, SHORT) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "a" / RUN).read_bytes() == (tmp_path / "b" / RUN).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [PREDICTIONS, RUN]
    assert list(texts(first)) == [item.id for item in questions.items]
    assert str(tmp_path) not in (tmp_path / "a" / RUN).read_text()


def test_answers_depend_on_recording_and_question(model, questions, tmp_path):
    """Else the tests of this file would pass with a model that says one thing."""
    answers = texts(predict(model, questions, tmp_path / "out", SHORT))
    assert len({answers[f"q{index}"] for index in range(3)}) == 3  # one question, three recordings
    assert len({answers[f"q{index}"] for index in range(0, 12, 3)}) == 4  # one recording, four questions


@pytest.mark.parametrize(("beams", "sizes"), [(1, (1, 4, 16)), (3, (1, 16))])
def test_batch_size_does_not_change_answers(model, questions, tmp_path, beams, sizes):
    task = short_task(decoding__num_beams=beams)
    runs = [predict(model, questions, tmp_path / str(n), task, batch_size=n).read_bytes() for n in sizes]
    assert len(set(runs)) == 1


def test_answers_are_those_of_ask(model, questions, tmp_path):
    """Encoder first and questions in batches, or all at once for one: the same text."""
    answers = texts(predict(model, questions, tmp_path / "out", SHORT))
    pipeline = SpatialLLM.from_pretrained(model)
    for item in questions.items[::5]:
        asked = pipeline.ask(tmp_path / "data" / item.audio, item.question, max_new_tokens=6)
        assert answers[item.id] == asked


def test_each_recording_is_encoded_once(model, questions, tmp_path, monkeypatch):
    encoded = []
    original = SpatialLLM.from_pretrained

    def counting(folder):
        loaded = original(folder)
        loaded.model.encoder.register_forward_pre_hook(
            lambda module, args, kwargs: encoded.append(len(args[0] if args else kwargs["input_features"])), with_kwargs=True
        )
        return loaded

    monkeypatch.setattr(SpatialLLM, "from_pretrained", counting)
    predict(model, questions, tmp_path / "out", SHORT, batch_size=2)
    assert sum(encoded) == 3 and len(questions.items) == 27


def interrupt(model, questions, folder, after, **kwargs):
    """Runs predict and strikes it down after some batches."""
    add, calls = PredictionWriter.add, []

    def striking(self, predictions):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(predictions)
        add(self, predictions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PredictionWriter, "add", striking)
        with pytest.raises(KeyboardInterrupt):
            predict(model, questions, folder, SHORT, batch_size=4, **kwargs)


def test_resumed_run_equals_uninterrupted_one(model, questions, tmp_path, monkeypatch):
    whole = predict(model, questions, tmp_path / "whole", SHORT, batch_size=4)
    folder = tmp_path / "cut"
    interrupt(model, questions, folder, after=3)
    assert not (folder / PREDICTIONS).exists()
    part = folder / PART
    part.write_bytes(part.read_bytes()[:-9])  # the last line was cut while it was written
    interrupt(model, questions, folder, after=1, resume=True)
    done = part.read_text().count('"prediction"')
    assert done >= 12
    resumed = predict(model, questions, folder, SHORT, batch_size=4, resume=True)
    assert resumed.read_bytes() == whole.read_bytes()
    assert (folder / RUN).read_bytes() == (tmp_path / "whole" / RUN).read_bytes() and not part.exists()


def test_finished_run_resumes_to_itself_without_generating(model, questions, tmp_path, monkeypatch):
    path = predict(model, questions, tmp_path / "out", SHORT)
    before = path.read_bytes()
    monkeypatch.setattr(SpatialLLMForConditionalGeneration, "generate", None)
    assert predict(model, questions, tmp_path / "out", SHORT, resume=True).read_bytes() == before


def test_without_resume_everything_is_done_anew(model, questions, tmp_path):
    folder = tmp_path / "out"
    interrupt(model, questions, folder, after=1)
    lines = (folder / PART).read_text().splitlines()
    (folder / PART).write_text(lines[0] + "\n" + json.dumps({"id": "q0", "prediction": "stale"}) + "\n")
    assert texts(predict(model, questions, folder, SHORT, batch_size=4))["q0"] != "stale"


def test_resume_of_another_run_is_refused(model, questions, tmp_path):
    folder = tmp_path / "out"
    interrupt(model, questions, folder, after=1)
    with pytest.raises(ManifestError, match=r"other settings \(decoding was .*'max_new_tokens': 6.*run without --resume"):
        predict(model, questions, folder, short_task(decoding__max_new_tokens=7), batch_size=4, resume=True)
    other = read_evaluation_set(write_small_set(tmp_path / "other"))
    object.__setattr__(other, "sha256", "f" * 64)
    with pytest.raises(ManifestError, match=r"manifest_sha256 was .* is 'fff"):
        predict(model, other, folder, SHORT, batch_size=4, resume=True)
    (folder / PART).write_text('{"settings": {}}\nnot a line\n')
    with pytest.raises(ManifestError, match="damaged"):
        predict(model, questions, folder, SHORT, batch_size=4, resume=True)


def test_bad_recording_stops_and_is_named(model, questions, tmp_path):
    (tmp_path / "data" / "r1.wav").write_bytes(b"RIFF")
    with pytest.raises(ManifestError, match=r"record 'q1'.*r1\.wav"):
        predict(model, questions, tmp_path / "out", SHORT)
    assert not (tmp_path / "out" / PREDICTIONS).exists()


def test_question_with_a_special_token_is_named(model, questions, tmp_path):
    object.__setattr__(questions.items[4], "question", "Is <|audio|> near?")
    with pytest.raises(ManifestError, match=r"record 'q4'.*special token"):
        predict(model, questions, tmp_path / "out", SHORT)


def test_batch_size_must_be_positive(model, questions, tmp_path):
    with pytest.raises(ManifestError, match="batch_size is 0"):
        predict(model, questions, tmp_path / "out", SHORT, batch_size=0)


# --- the task ---------------------------------------------------------------------------------------------------------


def run_json(path):
    return json.loads(path.with_name(RUN).read_text())


def test_run_says_what_it_was_made_with(model, questions, tmp_path):
    task = short_task()
    path = predict(model, questions, tmp_path / "out", task, overrides={"decoding.max_new_tokens": 3, "seed": 5})
    run = run_json(path)
    assert run["task"] == {"name": "ours", "version": task.version, "sha256": task.sha256}
    assert run["overrides"] == {"decoding.max_new_tokens": 3, "seed": 5}
    assert run["decoding"] == {"max_new_tokens": 3, "num_beams": 1} and run["seed"] == 5
    assert run["manifest_sha256"] == questions.sha256 and len(run["model_sha256"]) == 64
    assert (run["batch_size"], run["prompt"], run["responses"]) == (16, "{question}", "as_recorded")
    assert (run["device"], run["dtype"], run["control"]) == ("cpu", "float32", None)
    assert {"torch", "transformers", "spatial-llm"} <= run["versions"].keys() and "git_hash" in run


def test_prompt_of_the_task_is_what_the_model_is_asked(model, questions, tmp_path):
    plain = texts(predict(model, questions, tmp_path / "a", SHORT))
    asked = texts(predict(model, questions, tmp_path / "b", short_task(prompt="Say it: {question}")))
    pipeline = SpatialLLM.from_pretrained(model)
    item = questions.items[0]
    said = pipeline.ask(tmp_path / "data" / item.audio, f"Say it: {item.question}", max_new_tokens=6)
    assert asked["q0"] == said and asked != plain


def test_responses_of_the_task_are_those_of_every_recording(tmp_path):
    """Pairs and scenes take the policy; files have their response already."""
    questions = read_evaluation_set(write_small_set(tmp_path / "data"))
    with pytest.raises(ManifestError, match=r"record 'q0'.*r0\.wav.*responses 'checkpoint_matched'"):
        questions.with_responses("checkpoint_matched")
    of_scene = dataclasses.replace(questions.items[0], audio=None, scene=scene(source()))
    of_pairs = dataclasses.replace(questions.items[1], audio=None, pairs=(Pair("a", "b"),), protocol="official_bat")
    changed = dataclasses.replace(questions, items=[of_scene, of_pairs]).with_responses("checkpoint_matched")
    assert [changed.items[0].scene.protocol, changed.items[1].protocol] == ["checkpoint_matched"] * 2
    with pytest.raises(ManifestError, match=r"record 'q0'.*responses 'official_bat'"):
        predict(tmp_path, questions, tmp_path / "out", short_task(responses="official_bat"))


# --- controls ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def controlled(model, tmp_path_factory):
    """A run with all controls on two of the three recordings, and its questions."""
    folder = tmp_path_factory.mktemp("controlled")
    questions = read_evaluation_set(write_small_set(folder / "data"))
    task = short_task(controls=list(CONTROLS), control_recordings=2)
    return predict(model, questions, folder / "out", task, batch_size=4), questions, task


def test_controls_are_runs_below_the_run(controlled):
    path, questions, _ = controlled
    assert control_names(path) == sorted(CONTROLS)
    run = run_json(path)
    for name in CONTROLS:
        rows, said = read_control(path, name, questions.items, questions.sha256)
        recordings = {questions.items[row].recording_id for row in rows}
        assert len(said) == len(rows) == 18 and len(recordings) == 2 and rows == sorted(rows)
        of_control = run_json(path.parent / CONTROL_FOLDER / name / PREDICTIONS)
        assert of_control["control"] == {"name": name, "recordings": 2}
        ignored = ("control", "predictions_sha256")
        assert all(of_control[key] == value for key, value in run.items() if key not in ignored)


def test_controls_hear_what_they_should(controlled, model):
    """Each answer is that of `ask` to the recording as the control changes it."""
    path, questions, task = controlled
    pipeline = SpatialLLM.from_pretrained(model)
    config = pipeline.model.config.encoder_config
    window = (config.sampling_rate, config.window_samples, BINAURAL)
    for name in CONTROLS:
        rows, said = read_control(path, name, questions.items, questions.sha256)
        load = control_loader(name, questions, task.seed)
        for row, text in list(zip(rows, said, strict=True))[::7]:
            item = questions.items[row]
            heard = load(item, *window)
            assert text == pipeline.ask(heard, item.question, config.sampling_rate, max_new_tokens=6), name
    real = texts(path)
    rows, said = read_control(path, "no_audio", questions.items, questions.sha256)
    assert [real[questions.items[row].id] for row in rows] != said


def test_two_runs_with_controls_give_the_same_bytes_and_old_controls_go(controlled, model, tmp_path):
    path, questions, task = controlled
    again = predict(model, questions, tmp_path / "out", task, batch_size=16).parent
    for name in CONTROLS:
        file = f"{CONTROL_FOLDER}/{name}/{PREDICTIONS}"
        assert (again / file).read_bytes() == (path.parent / file).read_bytes(), "at another batch size too"
    predict(model, questions, again, short_task(controls=["no_audio"]))
    assert control_names(again / PREDICTIONS) == ["no_audio"]


def test_interrupted_controls_are_resumed_and_new_ones_added(controlled, model, tmp_path, monkeypatch):
    path, questions, task = controlled
    folder = tmp_path / "out"
    predict(model, questions, folder, task, batch_size=4, overrides={"controls": ["no_audio"]})
    add, calls = PredictionWriter.add, []

    def striking(self, predictions):
        if self.folder.name == "other_audio" and len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(predictions)
        add(self, predictions)

    with monkeypatch.context() as patch:
        patch.setattr(PredictionWriter, "add", striking)
        with pytest.raises(KeyboardInterrupt):
            predict(model, questions, folder, task, batch_size=4, resume=True)
    predict(model, questions, folder, task, batch_size=4, resume=True)
    for name in CONTROLS:
        for file in (PREDICTIONS, RUN):
            ours, whole = (where / CONTROL_FOLDER / name / file for where in (folder, path.parent))
            assert ours.read_bytes() == whole.read_bytes(), (name, file)


def test_a_control_that_makes_no_sense_stops_before_anything_is_computed(model, questions, tmp_path):
    alone = dataclasses.replace(questions, items=list(questions.items[:1]))
    with pytest.raises(ManifestError, match="needs two recordings"):
        predict(model, alone, tmp_path / "out", short_task(controls=["other_audio"]))
    assert not (tmp_path / "out").exists()


def test_controls_of_another_run_are_refused(controlled, tmp_path):
    path, questions, _ = controlled
    shutil.copytree(path.parent, tmp_path / "out")
    run = tmp_path / "out" / CONTROL_FOLDER / "no_audio" / RUN
    run.write_text(run.read_text().replace('"batch_size": 4', '"batch_size": 5'))
    with pytest.raises(ManifestError, match="made with another batch_size than the run"):
        read_control(tmp_path / "out" / PREDICTIONS, "no_audio", questions.items, questions.sha256)
    shutil.copytree(tmp_path / "out" / CONTROL_FOLDER / "ears_equal", tmp_path / "out" / CONTROL_FOLDER / "ears")
    with pytest.raises(ManifestError, match="made with another control than the run"):
        read_control(tmp_path / "out" / PREDICTIONS, "ears", questions.items, questions.sha256)


def test_recordings_in_ambisonics_are_rendered_to_ears_and_marked(model, tmp_path):
    """Beside binaural ones, whose answers and lines are as without them; training refuses them as before."""
    data = write_small_set(tmp_path / "data")
    plain = predict(model, read_evaluation_set(data), tmp_path / "plain", SHORT)
    mixed = read_evaluation_set(data)
    first = mixed.items[0].recording_id
    channels, rate = soundfile.read(data.parent / "r0.wav")
    left, right = channels.T
    soundfile.write(data.parent / "r0.wav", np.stack([left + right, left - right, 0 * left, left], axis=1), rate)
    items = [dataclasses.replace(item, audio_format="foa") if item.recording_id == first else item for item in mixed.items]
    mixed = dataclasses.replace(mixed, items=items)
    with pytest.warns(UserWarning, match="recordings in ambisonics1 are rendered to the ears of MIT KEMAR"):
        path = predict(model, mixed, tmp_path / "mixed", SHORT)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("derived", False) for line in lines] == [item.recording_id == first for item in items]
    kept = [text for text in plain.read_text().splitlines() if json.loads(text)["recording_id"] != first]
    assert kept == [text for text in path.read_text().splitlines() if json.loads(text)["recording_id"] != first]
    derived = json.loads((tmp_path / "mixed" / RUN).read_text())["derived"]
    assert derived == {"questions": sum(item.recording_id == first for item in items), "head_sha256": None}
    check_controls(CONTROLS, mixed, BINAURAL)  # as a model of two ears hears them, every control makes sense
    with pytest.raises(ManifestError, match="is ambisonics1 with 4 channels; the encoder takes binaural"):
        load_waveform(items[0], mixed.root, 32000, 32000)
