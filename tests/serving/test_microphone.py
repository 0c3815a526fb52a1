"""A server of a model of the sound field: its answers are those of `ask`, and what it is given must be what was declared."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from spatial_llm import SpatialLLM
from spatial_llm.audio.ambisonics import to_fuma
from spatial_llm.audio.formats import Ambisonics, Array, AudioFormat
from spatial_llm.errors import SpatialLLMError
from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.server import _service
from tests.field_model import RATE, scene_of, tiny_field
from tests.serving.running import body

pytestmark = pytest.mark.filterwarnings("ignore:.*loudest window", "ignore:recordings in", "ignore:distances rest")
WHERE, TOKENS = "Where is the sound in this audio clip coming from?", 12
FOA = Ambisonics(1)
# On the sphere of a small ambisonic microphone: front left up, front right down, back left down, back right up.
TETRAHEDRON = Array(
    tuple(
        tuple(float(x) for x in 0.042 / np.sqrt(3) * np.array(way))
        for way in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
    ),
    sphere_radius_m=0.042,
)


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Path:
    """The folder of a model that hears ambisonics and arrays."""
    folder = tmp_path_factory.mktemp("of_the_field") / "field"
    tiny_field(telling=True).save_pretrained(folder)
    return folder


@contextlib.contextmanager
def served(folder: Path | str, **arguments) -> Iterator[TestClient]:
    """A server of the model of a folder, asked without a network."""
    service = _service(ServeArguments(model=str(folder), device="cpu", readers=1, read_seconds=120.0, **arguments))
    with TestClient(service.app()) as client:
        yield client


def written(path: Path, waveform: np.ndarray, subtype: str = "PCM_24") -> Path:
    soundfile.write(path, waveform.T, RATE, subtype)
    return path


def asked(client: TestClient, folder: Path | str, file: Path):
    sent = body(WHERE, file, kind="wav", model=Path(folder).name, max_tokens=TOKENS)
    return client.post("/v1/chat/completions", json=sent)


def check_answers_are_those_of_ask(
    client: TestClient, folder: Path | str, files: list[Path], format: str | AudioFormat
) -> dict:
    """Answers and what is known of the last one; those about two recordings differ, or the model heard nothing."""
    model = SpatialLLM.from_pretrained(folder)
    answers = []
    for file in files:
        response = asked(client, folder, file)
        assert response.status_code == 200, response.text
        answers.append(response.json()["choices"][0]["message"]["content"])
        wanted = str(model.ask(file, WHERE, format=format, max_new_tokens=TOKENS))
        assert answers[-1].encode() == wanted.encode()
    assert len(set(answers)) == len(files)
    return response.json()["spatial_llm"]


def check_is_refused(client: TestClient, folder: Path | str, file: Path, *words: str) -> None:
    response = asked(client, folder, file)
    said = response.json()["error"]
    assert response.status_code == 422 and said["code"] == "unusable_recording", said
    assert said["param"] == "messages[0].content[0]"
    for each in words:
        assert each in said["message"]


def test_ambisonics_get_the_answers_of_ask_and_other_recordings_a_sentence(field, tmp_path):
    files = [written(tmp_path / f"{side}.wav", scene_of(side, FOA)) for side in (0, -60)]
    with served(field, microphone="foa") as client:
        said = check_answers_are_those_of_ask(client, field, files, "foa")
        assert not said["derived"] and "rendered" not in " ".join(said["warnings"])
        stereo = written(tmp_path / "stereo.wav", scene_of(0, FOA)[:2])
        given, expected, do = (
            "4 channels needed, got 2",
            "expected ambisonics1 (4, samples), channels W, Y, Z, X",
            "say what",
        )
        check_is_refused(client, field, stereo, given, expected, do)
        check_is_refused(
            client, field, written(tmp_path / "mono.wav", scene_of(0, FOA)[:1]), "One channel holds no directions"
        )
        assert asked(client, field, files[0]).status_code == 200


def test_other_conventions_are_converted_for_it(field, tmp_path):
    files = [written(tmp_path / f"{side}.wav", to_fuma(scene_of(side, FOA)), "FLOAT") for side in (0, -60)]
    with served(field, microphone="foa:fuma") as client:
        check_answers_are_those_of_ask(client, field, files, "foa:fuma")


def test_an_array_is_that_of_the_file_as_it_was_when_the_server_began(field, tmp_path):
    files = [written(tmp_path / f"{side}.wav", scene_of(side, TETRAHEDRON)) for side in (0, -60)]
    described = tmp_path / "tetrahedron.yaml"
    places = [list(each) for each in TETRAHEDRON.positions_m]
    described.write_text(f"kind: array\npositions_m: {places}\nsphere_radius_m: 0.042\n")
    service = _service(ServeArguments(model=str(field), microphone=str(described), device="cpu", readers=1))
    # A reader that starts later, or again, must not hear with others than the model does.
    described.write_text("kind: array\npositions_m: [[0, 0.1, 0], [0, -0.1, 0]]\n")
    with TestClient(service.app()) as client:
        check_answers_are_those_of_ask(client, field, files, TETRAHEDRON)
        check_is_refused(
            client, field, written(tmp_path / "two.wav", scene_of(0, FOA)[:2]), "4 channels needed, got 2", "array4-"
        )


def test_the_microphone_that_a_model_was_saved_with_needs_not_be_told(field, tmp_path):
    model = SpatialLLM.from_pretrained(field)
    model.processor.feature_extractor.microphone = TETRAHEDRON.text
    model.save_pretrained(tmp_path / "glasses")
    files = [written(tmp_path / f"{side}.wav", scene_of(side, TETRAHEDRON)) for side in (0, -60)]
    with served(tmp_path / "glasses") as client:
        check_answers_are_those_of_ask(client, tmp_path / "glasses", files, TETRAHEDRON.text)


def test_a_model_of_two_ears_refuses_four_channels_and_says_so_where_they_are_rendered(tmp_path):
    files = [written(tmp_path / f"{side}.wav", scene_of(side, FOA, 2.0)) for side in (60, -60)]
    with served("tiny") as client:
        given, expected = "2 channels needed, got 4", "expected binaural (2, samples), channels left, right"
        check_is_refused(client, "tiny", files[0], given, expected, "--microphone foa")
    with served("tiny", microphone="foa") as client:
        said = check_answers_are_those_of_ask(client, "tiny", files, "foa")
        assert said["derived"] and "recordings in ambisonics1 are rendered to the ears of MIT KEMAR" in said["warnings"][0]


def test_what_cannot_be_heard_is_told_before_anybody_asks(field, tmp_path):
    (tmp_path / "head.sofa").write_bytes(b"no head")
    for folder, arguments, words in (
        (field, {}, "it is not said what the recording was made with; .* by format= or --microphone"),
        (field, {"microphone": "binaural"}, r"the microphone is binaural with 2 channels; the model takes field \(foa"),
        (field, {"microphone": "mono"}, "the microphone is mono with 1 channel; the model takes field"),
        (field, {"microphone": "foa", "head": "head.sofa"}, r"this recording \(ambisonics1\) is not rendered"),
        (field, {"microphone": "foa", "allow_mono": True}, "recordings in ambisonics1 have 4: leave it out"),
        ("tiny", {"microphone": "mono"}, "no ears can be rendered from it"),
        ("tiny", {"microphone": "foa", "head": str(tmp_path / "none.sofa")}, r"none\.sofa: no such file"),
        ("tiny", {"microphone": "foa", "head": str(tmp_path / "head.sofa")}, r"head\.sofa"),
    ):
        with warnings.catch_warnings(), pytest.raises(SpatialLLMError, match=words):
            warnings.simplefilter("ignore")
            _service(ServeArguments(model=str(folder), device="cpu", **arguments))
