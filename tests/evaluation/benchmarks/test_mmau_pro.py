"""MMAU-Pro: its layout and its nearest choice by embedding, checked against examples worked by hand."""

import json
from dataclasses import replace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.benchmarks import choice_scores, mmau_pro, read_mmau_pro, score_mmau_pro
from spatial_llm.evaluation.benchmarks.choices import BY_RULE
from spatial_llm.evaluation.benchmarks.mmau_pro import letters_as_choices, nearest_choices
from spatial_llm.evaluation.published import PublishedScore
from tests.evaluation.benchmarks.layouts import MMAU_ROWS, RATE, mmau_row, parse_letter, write_mmau_pro

SPATIAL = [row for row in MMAU_ROWS if row["category"] == "spatial_audio"]


def counted(texts):
    """A tiny embedding: how often each letter of a to z occurs, and 1 so that no text is nothing."""
    return np.array([[*(text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"), 1] for text in texts], float)


def same(texts):
    return np.ones((len(texts), 3))


@pytest.fixture
def questions(tmp_path):
    return read_mmau_pro(write_mmau_pro(tmp_path, audio=False))  # scoring needs no sound


def test_the_spatial_rows_with_two_choices_or_more(questions):
    assert [item.id for item in questions.items] == ["m-0", "m-1", "m-2", "m-3"]
    assert questions.left_out == {"m-4": BY_RULE}
    assert questions.benchmark == "MMAU-Pro spatial" and not questions.complete
    item = questions.items[0]
    assert item.question == "Where is the speaker?\n(A) front left\n(B) front right\n(C) behind"
    assert (item.answer, item.choices) == ("front right", ("front left", "front right", "behind"))
    assert (item.type, item.question_type, item.recording_id) == ("choice", "CHOICE", "data/a.wav")


def test_the_folder_or_its_parquet(tmp_path, questions):
    assert read_mmau_pro(tmp_path / "test.parquet") == questions


def test_recordings_lie_beside_the_parquet(tmp_path):
    questions = read_mmau_pro(write_mmau_pro(tmp_path), leave_out_unusable=True)
    assert questions.load(questions.items[0], RATE, 6000).shape == (2, 6000)
    assert questions.left_out == {"m-4": BY_RULE}  # every recording can be used
    assert replace(questions, released=5).complete


def test_several_files_are_left_out_only_when_asked(tmp_path):
    rows = [*SPATIAL, mmau_row("pair", "Which?", ["first", "second"], "first", ["data/a.wav", "data/b.wav"])]
    questions = read_mmau_pro(write_mmau_pro(tmp_path, rows))
    with pytest.raises(ManifestError, match=r"item 'pair': names 2 sound files \(data/a.wav, data/b.wav\)"):
        questions.load(questions.items[-1], RATE, 6000)
    with pytest.warns(UserWarning, match="1 questions are left out"):
        part = read_mmau_pro(tmp_path, leave_out_unusable=True)
    assert set(part.left_out) == {"m-4", "pair"} and not replace(part, released=6).complete


def test_the_nearest_choice_by_hand():
    """Letters of "bab" are (1, 2, 0, ... | 1): its cosine to "abb" is 1, to "aab" 5/6, to "zzz" 1/sqrt(60)."""
    assert nearest_choices(["bab"], [["zzz", "aab", "abb"]], counted) == [2]
    assert nearest_choices(["bab"], [["zzz", "aab"]], counted) == [1]
    assert nearest_choices(["z", "bab"], [["zzz", "aab"], ["aab", "zzz"]], counted) == [0, 0]


def test_of_equally_near_choices_the_first_is_taken():
    assert nearest_choices(["ab"], [["zz", "ab", "ba"]], counted) == [1]
    assert nearest_choices(["ab"], [["zz", "ba", "ab"]], counted) == [1]
    assert nearest_choices(["anything", ""], [["x", "y"], ["y", "x", "z"]], same) == [0, 0]


def test_agrees_with_one_cosine_after_the_other_on_random_vectors():
    rng = np.random.default_rng(0)
    texts = [f"answer {k}" for k in range(60)]
    choices = [[f"choice {k} {j}" for j in range(2 + k % 4)] for k in range(60)]
    strings = [*texts, *(choice for row in choices for choice in row)]
    vectors = dict(zip(strings, rng.normal(size=(len(strings), 8)) * rng.uniform(0.1, 9, (len(strings), 1)), strict=True))
    found = nearest_choices(texts, choices, lambda strings: np.stack([vectors[text] for text in strings]))
    for text, row, pick in zip(texts, choices, found, strict=True):
        cosines = [
            vectors[text]
            @ vectors[choice]
            / np.sqrt(vectors[text] @ vectors[text])
            / np.sqrt(vectors[choice] @ vectors[choice])
            for choice in row
        ]
        assert pick == cosines.index(max(cosines))


def test_an_embedding_that_cannot_be_compared_is_refused():
    with pytest.raises(SpatialLLMError, match="the embedding of 'x' is zero or not finite"):
        nearest_choices(["ab"], [["ab", "x"]], lambda texts: np.array([[text == "ab"] for text in texts], float))
    with pytest.raises(SpatialLLMError, match="not finite"):
        nearest_choices(["ab"], [["ab", "x"]], lambda texts: np.full((len(texts), 2), np.nan))
    with pytest.raises(SpatialLLMError, match=r"gave shape \(1, 2\) for 2 texts"):
        nearest_choices(["ab"], [["ab", "x"]], lambda texts: np.ones((1, 2)))


def test_a_lone_letter_stands_for_its_choice():
    choices = ["left", "right"]
    texts = ["A", "b", "C", "(B)", "", "ß", "right"]
    assert [letters_as_choices(text, choices) for text in texts] == ["left", "right", "C", "(B)", "", "ß", "right"]


def test_accuracy_by_hand(questions):
    """By the wording: right, wrong, a letter, and an item whose answer is no choice; letters as choices mends the third."""
    texts = ["It is front right.", "the woman", "A", "the bell"]
    scores = score_mmau_pro(questions, texts, counted, "letters")
    # "A" shares no more with "left" than with others: of left, right, above, below only "above" holds an a
    assert scores.chosen == (1, 0, 2, 0) and scores.right.tolist() == [True, False, False, False]
    accuracy, spelled = (scores.metrics[name].entry for name in ("accuracy", "accuracy_letters_as_choices"))
    assert (accuracy["value"], accuracy["n"], accuracy["recordings"], accuracy["unparsed"]) == (25.0, 4, 2, 0)
    assert spelled["value"] == 50.0
    assert accuracy["random"] == pytest.approx(100 * (1 / 3 + 1 / 2 + 1 / 4 + 0) / 4)
    assert accuracy["details"] == {"left_out": {"m-4": BY_RULE}, "answer_not_among_choices": ["m-3"]}
    assert accuracy["protocol"] == "mmau_pro, letters"
    assert spelled["protocol"] == "mmau_pro, letters as choices, letters"
    assert set(scores.metrics) == {"accuracy", "accuracy_letters_as_choices"}


def test_an_answer_that_says_nothing_is_still_matched_and_string_match_says_so(questions):
    scores = score_mmau_pro(questions, ["", "I cannot tell", "B", "b"], counted, "letters", parse_letter)
    assert scores.metrics["accuracy"].entry["unparsed"] == 0 and None not in scores.chosen
    entry = scores.metrics["string_match"].entry
    assert (entry["unparsed"], entry["lenient"]["unparsed"], entry["protocol"]) == (3, 2, "diagnostic")


def test_truth_as_prediction_is_right_wherever_the_answer_is_a_choice(questions):
    scores = score_mmau_pro(questions, [item.answer for item in questions.items], counted, "letters")
    assert scores.right.tolist() == [True, True, True, False]


def test_scores_by_another_embedding_are_not_comparable_with_published_ones(questions, monkeypatch):
    row = PublishedScore("MMAU-Pro spatial", "accuracy", "a system", 55.4, True, "mmau_pro, NV-Embed-v2", "unstated", "")
    monkeypatch.setattr(choice_scores, "published_scores", lambda benchmark: [row])
    whole = replace(questions, released=5)

    def comparable(questions, embedding):
        metrics = score_mmau_pro(questions, ["", "", "", ""], counted, embedding).metrics.values()
        return [row["comparable"] for metric in metrics for row in metric.entry["published"]]

    assert comparable(whole, "all-MiniLM-L6-v2") == [False, False]
    assert comparable(whole, "NV-Embed-v2") == [True, False]
    assert comparable(questions, "NV-Embed-v2") == [False, False]  # not the whole release


def test_our_published_rows_stand_beside(questions):
    rows = score_mmau_pro(questions, ["", "", "", ""], counted, "letters").metrics["accuracy"].entry["published"]
    assert "MiDashengLM-Spatial" in {row["system"] for row in rows}


def test_entries_are_plain_json_and_texts_must_fit(questions):
    result = score_mmau_pro(questions, ["", "", "", ""], counted, "letters", parse_letter).to_dict()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    named = {metric["protocol"].removesuffix(", letters") for metric in result["metrics"].values()}
    assert named == set(result["protocols"])
    with pytest.raises(ManifestError, match="3 answers for 4 items"):
        score_mmau_pro(questions, ["", "", ""], counted, "letters")


@pytest.mark.parametrize("column", mmau_pro.COLUMNS)
def test_a_missing_column_is_named(tmp_path, column):
    rows = [{key: value for key, value in row.items() if key != column} for row in MMAU_ROWS]
    folder = tmp_path / "release"
    folder.mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "test.parquet")
    with pytest.raises(ManifestError, match=rf"test\.parquet: no column {column}; expected id, category"):
        read_mmau_pro(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": "left, right"}, r"row 0: choices: .*list"),
        ({"audio_path": "data/a.wav"}, r"row 0: audio_path: .*list"),
        ({"audio_path": []}, r"row 0: audio_path: .*at least 1"),
        ({"audio_path": ["../a.wav"]}, r"question 'x': audio_path: '\.\./a\.wav' leads out"),
        ({"answer": None}, r"row 0: answer: .*string"),
        ({"question": ""}, r"row 0: question: .*at least 1"),
        ({"choices": [str(number) for number in range(27)]}, r"row 0: choices: .*at most 26"),
        ({"choices": ["only"]}, r"no row of category 'spatial_audio' has two choices"),
        ({"category": "sound"}, r"no row of category 'spatial_audio'; its categories are \['sound'\]"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, change, message):
    row = mmau_row("x", "Where?", ["left", "right"], "left", ["data/a.wav"]) | change
    write_mmau_pro(tmp_path, [row], audio=False)
    with pytest.raises(ManifestError, match=rf"test\.parquet: {message}"):
        read_mmau_pro(tmp_path)


def test_ids_that_occur_twice_are_named(tmp_path):
    write_mmau_pro(tmp_path, [*SPATIAL, SPATIAL[1]], audio=False)
    with pytest.raises(ManifestError, match="1 ids occur more than once: 'm-1'"):
        read_mmau_pro(tmp_path)


def test_files_that_are_no_such_file(tmp_path):
    with pytest.raises(ManifestError, match=r"no such file; give the folder of the dataset gamma-lab-umd/MMAU-Pro"):
        read_mmau_pro(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ManifestError, match="not a readable parquet file"):
        read_mmau_pro(tmp_path)
    whole = write_mmau_pro(tmp_path / "cut", audio=False) / "test.parquet"
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(ManifestError, match="not a readable parquet file"):
        read_mmau_pro(whole)


def test_the_pinned_embedding_matches_wording_that_differs(questions):
    """all-MiniLM-L6-v2 in place of NV-Embed-v2, under its own name."""
    from spatial_llm.sentences.embedding import TextEmbedder

    embed = TextEmbedder()
    texts = ["In front of me, to the right.", "The male speaker is closer.", "On the left-hand side.", "The bell."]
    scores = score_mmau_pro(questions, texts, embed, embed.name)
    assert scores.right.tolist() == [True, True, True, False]
    assert scores.metrics["accuracy"].entry["protocol"] == "mmau_pro, all-MiniLM-L6-v2"
