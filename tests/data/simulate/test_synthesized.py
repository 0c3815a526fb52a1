"""Built-in sounds that are synthesised once: the same samples, one synthesis for all that ask, no room without need."""

import numpy as np
import pytest

from spatial_llm.data.simulate import synthesized
from spatial_llm.data.simulate.synthesized import SynthesizedOnce, make_room
from spatial_llm.scenes.events import synthesize_event

NAMES = ["synth:bell/3", "synth:rain/0", "barks/1.wav"]


def test_each_is_synthesised_once_for_all_processes_that_share_the_folder(tmp_path, monkeypatch):
    calls = []

    def counting(*arguments):
        calls.append(arguments)
        return synthesize_event(*arguments)

    monkeypatch.setattr(synthesized, "synthesize_event", counting)
    folder = make_room(tmp_path / "kept", NAMES, 0.5, 16_000)
    first, second = (SynthesizedOnce(folder, names, 0.5, 16_000) for names in (NAMES, NAMES[::-1]))
    for sounds in (first, second, first):
        assert np.array_equal(sounds["synth:bell/3"], synthesize_event("bell", 3, 0.5, 16_000))
        assert np.array_equal(sounds["synth:rain/0"], synthesize_event("rain", 0, 0.5, 16_000))
    assert calls == [("bell", 3, 0.5, 16_000), ("rain", 0, 0.5, 16_000)]
    assert "synth:bell/3" in first and "barks/1.wav" not in first


@pytest.mark.parametrize("names", [[], ["barks/1.wav"]])
def test_files_alone_take_no_room(tmp_path, names):
    assert make_room(tmp_path / "kept", names, 0.5, 16_000) is None and not (tmp_path / "kept").exists()


def test_nor_do_more_sounds_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(synthesized, "MOST_BYTES", 4 * 8_000)
    assert make_room(tmp_path / "kept", NAMES, 0.5, 16_000) is None
    assert make_room(tmp_path / "kept", NAMES[:1], 0.5, 16_000) is not None

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(synthesized, "new_array", full)
    assert make_room(tmp_path / "full", NAMES[:1], 0.5, 16_000) is None and not (tmp_path / "full").exists()
