"""The same scenes heard with other microphones: questions and places stay, the recordings are those of the microphone."""

import json

import numpy as np
import pytest

from spatial_llm.audio.ambisonics import intensity_direction
from spatial_llm.audio.formats import parse_format
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.data.simulate.hear_with import hear_with
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.data.targets import targets_of
from spatial_llm.errors import AudioError, ManifestError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.questions.config import official_only
from spatial_llm.scenes.room.sampling import RoomConfig

pytestmark = pytest.mark.slow  # a real simulation or model in every test

PAIR = "array:[[0.0, 0.1, 0.0], [0.0, -0.1, 0.0]]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heard") / "data"
    config = SimulationConfig(
        scenes=DrawConfig(duration_s=0.5),
        room=RoomConfig(positions_per_room=4, max_order=1, duration_s=0.1, absorption=(0.9, 0.95), ray_tracing=False),
        train=SplitConfig(rooms=1, clips_one_source=2, clips_two_sources=0),
        eval=SplitConfig(rooms=2, clips_one_source=4, clips_two_sources=2),
        sounds=SoundsConfig(synthesized_train=2, synthesized_eval=2),
    )
    simulate(config, folder, progress=False)
    write_questions(folder, WritingConfig(questions=official_only()), progress=False)
    return folder


def test_questions_stay_and_recordings_are_those_of_the_microphone(folder):
    heard = hear_with(folder / "eval.jsonl", ["foa", PAIR])
    assert [path.name for path in heard] == ["eval-ambisonics1.jsonl", f"eval-{parse_format(PAIR).name}.jsonl"]
    before, foa, pair = (read_manifest(path) for path in (folder / "eval.jsonl", *heard))
    for one, other in zip(before, foa, strict=True):
        assert (one.question, one.answer, one.truth, one.split) == (other.question, other.answer, other.truth, other.split)
        assert other.id == f"{one.id}@ambisonics1" and targets_of(other) == targets_of(one)
    single = next(record for record in foa if len(record.scene.sources) == 1)
    target = targets_of(single)[0]
    found = intensity_direction(render_record(single, folder))
    assert found @ direction_to_vector(target.azimuth_deg, target.elevation_deg) > 0.8 * np.linalg.norm(found)
    assert render_record(pair[0], folder).shape[0] == 2 and pair[0].format.kind == "array"
    assert len({record.recording_id for each in (before, foa, pair) for record in each}) == 3 * 6


def test_what_cannot_be_heard_otherwise_is_named(folder, tmp_path):
    with pytest.raises(AudioError, match="format 'soundfield' is not known"):
        hear_with(folder / "eval.jsonl", ["soundfield"])
    line = json.loads((folder / "eval.jsonl").read_text().splitlines()[0])
    (tmp_path / "a.wav").write_bytes((folder / "eval.jsonl").read_bytes()[:100])
    line |= {"audio": "a.wav", "scene": None, "about": None}
    (tmp_path / "files.jsonl").write_text(json.dumps({name: value for name, value in line.items() if value is not None}))
    with pytest.raises(ManifestError, match=f"record '{line['id']}' is not about one scene"):
        hear_with(tmp_path / "files.jsonl", ["foa"])
    assert not (tmp_path / "files-ambisonics1.jsonl").exists()
