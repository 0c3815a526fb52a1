"""Texts of a data set: mirrored recordings have mirrored texts, a batch knows which text is true of which recording."""

from pathlib import Path

import pytest
import torch

from spatial_llm.encoders.configuration_dspast import BRANCHES
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.scene_captions import ASPECTS, DIRECTION, WHOLE, scene_facts, write_caption
from spatial_llm.training.encoder.dataset import one_source_recordings
from spatial_llm.training.encoder.scene_texts import CaptionedDataset, SceneTexts, sources_of, true_of


def test_every_recording_has_captions_of_its_own_scene_and_its_mirror_image(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")[:4]
    texts = SceneTexts(records, (WHOLE,), 4, mirror=True, seed=1)
    assert len(texts) == 8 and texts.rows.shape == (8, 1, 4) and texts.facts.shape == (8, 4)
    for number, record in enumerate(records):
        for side, heard in enumerate((sources_of(record), [one.mirror_image() for one in sources_of(record)])):
            written = [texts.texts[row] for row in texts.rows[2 * number + side, 0]]
            words = scene_facts(heard)[DIRECTION].split(", ")
            assert all(word in written[0] or word in ("front", "behind", "above", "below") for word in words)
            assert heard[0].label in written[0] and heard[0].label in written[2]
    assert not torch.equal(texts.facts[0], texts.facts[1]), "the mirror image is another fact"
    assert torch.equal(texts.facts[0, [0, 2, 3]], texts.facts[1, [0, 2, 3]]), "of the direction alone"


def test_equal_seeds_give_equal_texts(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")[:4]
    first, again, other = (SceneTexts(records, BRANCHES, 3, seed=seed) for seed in (0, 0, 1))
    assert first.texts == again.texts and torch.equal(first.rows, again.rows)
    assert first.texts != other.texts and torch.equal(first.facts, other.facts), "the words differ, the facts do not"


def test_a_sample_draws_a_caption_of_each_view(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")[:3]
    texts = SceneTexts(records, BRANCHES, 6)
    samples = [{"input_features": torch.tensor(number)} for number in range(3)]
    dataset = CaptionedDataset(samples, texts)
    torch.manual_seed(0)
    drawn = torch.stack([dataset[1]["text_rows"] for _ in range(64)])
    for view in range(3):
        assert set(drawn[:, view].tolist()) == set(texts.rows[1, view].tolist())
    assert dataset[2]["input_features"] == 2 and torch.equal(dataset[2]["facts"], texts.facts[2])
    with pytest.raises(SpatialLLMError, match="2 samples and texts of 3"):
        CaptionedDataset(samples[:2], texts)


def test_a_text_is_true_of_all_of_which_it_says_what_is() -> None:
    #                       sound, direction, distance, time
    facts = torch.tensor([[0, 10, 20, 30], [0, 11, 20, 31], [1, 10, 20, 32], [0, 10, 20, 33]])
    only_sound, place, everything = [True, False, False, False], [False, True, True, False], [True] * 4
    names = torch.tensor([only_sound, place, everything, place])
    expected = [
        [True, True, False, True],  # a bell: true of all bells
        [False, True, False, False],  # the place of recording 1
        [False, False, True, False],
        [True, False, True, True],
    ]
    assert true_of(names, facts).tolist() == expected
    assert true_of(names, facts).diagonal().all()


def test_true_of_agrees_with_the_texts_themselves(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")
    texts = SceneTexts(records, (WHOLE,), 4)
    for wording in range(4):
        names = texts.names[:, 0, wording]
        right = true_of(names, texts.facts)
        told = [[a for a, named in zip(ASPECTS, row, strict=True) if named] for row in names.tolist()]
        for i, row in enumerate(told):
            for j, record in enumerate(records):
                same = write_caption(sources_of(record), row) == write_caption(sources_of(records[i]), row)
                assert bool(right[i, j]) == same
