"""STAR-Bench: its layout, its rotation, its way to find the letter, AA and ACR, checked against examples worked by hand."""

import json
import random
import time
from dataclasses import replace

import numpy as np
import pytest

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks import choice_scores, read_star_bench, score_star_bench, star_bench
from spatial_llm.evaluation.benchmarks.star_bench import extract, rotated
from spatial_llm.evaluation.published import PublishedScore
from tests.evaluation.benchmarks.layouts import (
    RELATION,
    STAR_ROWS,
    STATIC,
    TRAJECTORY,
    parse_letter,
    write_star_bench,
)

THREE = ("Left", "Right", "Left front")


@pytest.fixture
def questions(tmp_path):
    return read_star_bench(write_star_bench(tmp_path, audio=False))  # scoring needs no sound


def right_letters(questions):
    return ["ABC"[item.choices.index(item.answer)] for item in questions.items]


def test_the_last_options_come_first():
    assert [rotated("ABC", run) for run in range(3)] == [("A", "B", "C"), ("C", "A", "B"), ("B", "C", "A")]
    assert [rotated("AB", run) for run in range(3)] == [("A", "B"), ("B", "A"), ("A", "B")]
    assert [rotated("ABCD", run) for run in range(3)] == [tuple("ABCD"), tuple("DABC"), tuple("CDAB")]


def test_prompts_in_the_wording_of_the_benchmark(questions):
    assert [item.id for item in questions.items[:3]] == [f"spatial_single_000@{run}" for run in range(3)]
    assert questions.items[0].question == "Where does the bell ring?\n<A>: Left\n<B>: Right\n<C>: Left front\n"
    assert questions.items[1].question == "Where does the bell ring?\n<A>: Left front\n<B>: Left\n<C>: Right\n"
    assert questions.items[2].question == "Where does the bell ring?\n<A>: Right\n<B>: Left front\n<C>: Left\n"
    assert right_letters(questions)[:3] == ["C", "A", "B"]
    assert {item.answer for item in questions.items[:3]} == {"Left front"}
    assert questions.items[0].task == STATIC and questions.benchmark == "STAR-Bench spatial"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("<B>", "B"),
        ("B", "B"),
        ("(B) Right", "B"),
        ("[ B ]", "B"),
        (r"The result is $\boxed{C}$.", "C"),
        ("Answer: B", "B"),
        ("The answer is B.", "B"),
        ("the correct option is (A)", "A"),
        ("答案是：B", "B"),
        ("<answer>C</answer>", "C"),
        ("Option B? No. The answer is <A>, not choice C.", "A"),  # in brackets before bare, after a keyword
        ("Answer: A. Answer: B.", "B"),  # else the last
        ("(A) or maybe (B)", "B"),
        ("I hear it on the right side.", "B"),  # wording, in three words or more
        ("Right.", None),  # two words or fewer: wording does not count
        ("upright or outright bright noise", None),  # inside a longer word
        ("B, since it is left of me", "A"),  # wording goes before a bare letter
        ("(B), since it is left of me", "B"),  # a letter in brackets before wording
        ("A or rather B", "B"),
        ("Answer: D", None),  # no such option
        ("D", None),
        ("a", None),  # capitals only, where no keyword leads
        ("The answer is a bell on the right.", None),  # kept bug: a small letter after a keyword
        ("The answer is B. So the answer is a bell.", None),  # and it is the last
        ("It comes from the left front side", "C"),  # a tie: both wordings begin at one place, the later option wins
        ("", None),
        ("no idea at all", None),
    ],
)
def test_letter_that_the_benchmarks_script_extracts(text, letter):
    expected = None if letter is None else "ABC".index(letter)
    assert extract(text, THREE) == expected


def test_a_tie_falls_to_the_later_option_so_rotation_changes_it():
    assert extract("it is left front of me", ("Left front", "Right", "Left")) == 2  # read as "Left"
    assert extract("it is left front of me", ("Left", "Right", "Left front")) == 2  # read as "Left front"


def reference(text, choices):
    """The same rule, found by going through every place of the text instead of by one pattern a step."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(choices)]
    keywords = ["answer", "<answer>", "solution", "choice", "option", "correct option is", "answer is", "答案是", "选项是"]

    def letter_at(place, pool):
        if text[place : place + 1] and text[place] in "(<[{":
            inner = text[place + 1 :].lstrip()
            if inner[:1] and inner[0] in pool and inner[1:].lstrip()[:1] and inner[1:].lstrip()[0] in ")]>}":
                return 1, inner[0]
        before, after = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
        word = [bool(side) and (side.isalnum() or side == "_") for side in (before, after)]
        return (0, text[place]) if text[place : place + 1] and text[place] in pool and not any(word) else None

    led = []
    for place in range(len(text)):
        for keyword in keywords:
            if text[place : place + len(keyword)].lower() == keyword:
                rest = text[place + len(keyword) :].lstrip().lstrip(":：").lstrip()
                if rest and (found := letter_at(len(text) - len(rest), letters + letters.lower())):
                    led.append((found[0], place, found[1]))
    if led:
        return letters.index(max(led)[2]) if max(led)[2] in letters else None
    found = [(2 * hit[0], place, letters.index(hit[1])) for place in range(len(text)) if (hit := letter_at(place, letters))]
    bracketed = {
        place + 1 + len(text[place + 1 :]) - len(text[place + 1 :].lstrip()) for rank, place, _ in found if rank == 2
    }
    found = [hit for hit in found if hit[0] == 2 or hit[1] not in bracketed]
    if len(text.split()) > 2:
        for index, choice in enumerate(choices):
            for place in range(len(text)):
                end = place + len(choice)
                sides = text[place - 1 : place] if place else "", text[end : end + 1]
                if text[place:end].lower() == choice.lower() and not any(s.isascii() and s.isalpha() for s in sides if s):
                    found.append((1, place, index))
    return max(found)[2] if found else None


def test_extraction_agrees_with_an_independent_one_on_random_texts():
    rng = random.Random(0)
    pieces = [
        "answer",
        "Answer",
        "answer is",
        "option",
        "correct option is",
        "<answer>",
        ":",
        "：",
        " ",
        " ",
        "\n",
        "(",
        ")",
    ]
    pieces += [
        "<",
        ">",
        "[",
        "]",
        "{",
        "}",
        "A",
        "B",
        "C",
        "D",
        "a",
        "b",
        "left",
        "Right",
        "left front",
        "the",
        ".",
        "答案是",
    ]
    texts = ["".join(rng.choice(pieces) for _ in range(rng.randint(0, 14))) for _ in range(4000)]
    results = [extract(text, THREE) for text in texts]
    assert results == [reference(text, THREE) for text in texts]
    assert {None, 0, 1, 2} == set(results)


def test_extraction_takes_linear_time():
    start = time.perf_counter()
    for text in ("answer" + " " * 50_000, "(" * 50_000, "answer " * 10_000, "( " * 20_000, ":" * 50_000):
        extract(text, THREE)
    assert time.perf_counter() - start < 2


def test_aa_and_acr_by_hand(questions):
    """Question 1 right in 3 of 3 runs, 2 in 2 of 3 (one unparsed), 3 in 1 of 3, 4 in none: AA 6/12, ACR 1/4."""
    texts = [f"<{letter}>" for letter in right_letters(questions)]
    wrong = [f"<{'BCA'['ABC'.index(letter)]}>" for letter in right_letters(questions)]
    texts[4] = "I cannot tell"
    texts[7], texts[8] = wrong[7], wrong[8]
    for row in (9, 10, 11):
        texts[row] = "<B>" if texts[row] == "<A>" else "<A>"
    scores = score_star_bench(questions, texts)
    assert scores.right.tolist() == [True] * 3 + [True, False, True] + [True, False, False] + [False] * 3
    assert scores.chosen[4] is None and scores.chosen[0] == 2
    values = {name: (metric.entry["value"], metric.entry["n"]) for name, metric in scores.metrics.items()}
    assert values == {
        "AA": (50.0, 12),
        "ACR": (25.0, 4),
        f"AA ({STATIC})": (100.0, 3),
        f"ACR ({STATIC})": (100.0, 1),
        f"AA ({RELATION})": (pytest.approx(200 / 3), 3),
        f"ACR ({RELATION})": (0.0, 1),
        f"AA ({TRAJECTORY})": (pytest.approx(100 / 6), 6),
        f"ACR ({TRAJECTORY})": (0.0, 2),
    }
    assert [scores.metrics[name].entry["unparsed"] for name in ("AA", "ACR", f"AA ({STATIC})")] == [1, 1, 0]
    # three questions of three options and one of two, in runs and all three runs
    assert scores.metrics["AA"].entry["random"] == pytest.approx(100 * (9 / 3 + 3 / 2) / 12)
    assert scores.metrics["ACR"].entry["random"] == pytest.approx(100 * (3 / 27 + 1 / 8) / 4)
    assert scores.metrics["AA"].entry["recordings"] == 3


def test_every_number_is_the_mean_of_its_rows_whose_recordings_are_known(questions):
    texts = ["<A>"] * 12
    for metric in score_star_bench(questions, texts, parse_letter).metrics.values():
        assert metric.entry["value"] == pytest.approx(100 * np.mean(metric.right))
        assert len(metric.rows) == len(metric.right) == metric.entry["n"]
        assert metric.entry["recordings"] == len({questions.items[row].recording_id for row in metric.rows})
    acr = score_star_bench(questions, texts).metrics["ACR"]
    assert acr.rows.tolist() == [0, 3, 6, 9]


def test_truth_scores_100_and_a_constant_letter_scores_chance(questions):
    truth = score_star_bench(questions, [f"<{letter}>" for letter in right_letters(questions)])
    assert {metric.entry["value"] for metric in truth.metrics.values()} == {100.0}
    constant = score_star_bench(questions, ["<A>"] * 12).metrics
    assert constant[f"AA ({STATIC})"].entry["value"] == pytest.approx(100 / 3)  # rotation takes the bias away
    assert constant[f"ACR ({STATIC})"].entry["value"] == 0


def test_string_match_stands_beside_with_both_readings(questions):
    texts = right_letters(questions)
    texts[0], texts[1] = texts[0].lower(), "I cannot tell"
    entry = score_star_bench(questions, texts, parse_letter).metrics["string_match"].entry
    assert (entry["value"], entry["unparsed"], entry["protocol"]) == (pytest.approx(1000 / 12), 2, "diagnostic")
    assert entry["lenient"] == {"value": pytest.approx(1100 / 12), "unparsed": 1}
    assert entry["published"] == []


def test_published_rows_are_comparable_only_by_the_same_protocol_on_the_whole_release(questions, monkeypatch):
    def published(protocol):
        row = PublishedScore("STAR-Bench spatial", "accuracy", "a system", 70.3, True, protocol, "unstated", "")
        monkeypatch.setattr(choice_scores, "published_scores", lambda benchmark: [row])

    def comparable(questions):
        entry = score_star_bench(questions, ["<A>"] * 12).metrics["AA"].entry
        return [row["comparable"] for row in entry["published"]]

    published("star_bench")
    assert comparable(questions) == [False]
    assert comparable(replace(questions, released=4)) == [True]
    published("another")
    assert comparable(replace(questions, released=4)) == [False]
    assert score_star_bench(questions, ["<A>"] * 12).metrics[f"AA ({STATIC})"].entry["published"] == []


def test_our_published_rows_stand_beside(questions):
    rows = score_star_bench(questions, ["<A>"] * 12).metrics["AA"].entry["published"]
    assert "MiDashengLM-Spatial" in {row["system"] for row in rows}


def test_a_question_without_its_three_runs_or_texts_is_an_error(questions):
    with pytest.raises(ManifestError, match="11 answers for 12 items"):
        score_star_bench(questions, ["<A>"] * 11)
    with pytest.raises(ManifestError, match="question 'spatial_trajectory_001' has 2 runs; expected 3"):
        score_star_bench(replace(questions, items=questions.items[:11]), ["<A>"] * 11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "Up"}, r"question 'spatial_single_000': answer 'Up' is not among options"),
        ({"options": ["Left front"]}, r"entry 0: options: .*at least 2"),
        ({"options": "Left front"}, r"entry 0: options: .*list"),
        ({"options": ["", "Left front"]}, r"entry 0: options\[0\]: .*at least 1"),
        ({"options": [str(number) for number in range(27)]}, r"entry 0: options: .*at most 26"),
        ({"id": 7}, r"entry 0: id: .*string"),
        ({"audio_paths": []}, r"entry 0: audio_paths: .*at least 1"),
        ({"audio_paths": ["../x.wav"]}, r"question 'spatial_single_000': audio_paths: '\.\./x\.wav' leads out"),
        ({"audio_paths": ["/etc/x.wav"]}, r"question 'spatial_single_000': audio_paths: '/etc/x\.wav' leads out"),
        ({"category": 3}, r"entry 0: category: "),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, message):
    write_star_bench(tmp_path, [STAR_ROWS[0] | change, *STAR_ROWS[1:]], audio=False)
    with pytest.raises(ManifestError, match=rf"holistic_reasoning_spatial\.json: {message}"):
        read_star_bench(tmp_path)


@pytest.mark.parametrize("field", ["id", "task", "question", "options", "answer", "audio_paths"])
def test_a_missing_field_is_named(tmp_path, field):
    rows = [dict(row) for row in STAR_ROWS]
    del rows[2][field]
    write_star_bench(tmp_path, rows, audio=False)
    with pytest.raises(ManifestError, match=rf"holistic_reasoning_spatial\.json: entry 2: {field}: field is missing"):
        read_star_bench(tmp_path)


def test_a_category_may_be_absent(tmp_path):
    rows = [{key: value for key, value in row.items() if key != "category"} for row in STAR_ROWS]
    questions = read_star_bench(write_star_bench(tmp_path, rows, audio=False))
    assert set(score_star_bench(questions, ["<A>"] * 12).metrics) == {"AA", "ACR"}


def test_ids_that_occur_twice_are_named(tmp_path):
    write_star_bench(tmp_path, [*STAR_ROWS, STAR_ROWS[1]], audio=False)
    with pytest.raises(ManifestError, match="1 ids occur more than once: 'spatial_relation_000'"):
        read_star_bench(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[{", "not JSON .* is the file cut"),
        (b'[{"id": "\xff"}]', "not UTF-8"),
        (b"{}", "a dict, expected an array"),
        (b"[]", "a list, expected an array of questions, at least one"),
        (b"[1]", "entry 0: "),
    ],
)
def test_files_that_are_no_such_file(tmp_path, content, message):
    path = write_star_bench(tmp_path, audio=False) / star_bench.QUESTIONS
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        read_star_bench(tmp_path)
    path.unlink()
    with pytest.raises(ManifestError, match=r"no such file; give the folder of the dataset internlm/STAR-Bench"):
        read_star_bench(tmp_path)


def test_the_hash_is_of_the_questions_and_entries_are_plain_json(questions, tmp_path):
    other = json.loads((tmp_path / star_bench.QUESTIONS).read_text())
    other[0]["question"] += "?"
    write_star_bench(tmp_path / "other", other, audio=False)
    assert read_star_bench(tmp_path / "other").sha256 != questions.sha256
    result = score_star_bench(questions, ["<A>"] * 12, parse_letter).to_dict()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {metric["protocol"] for metric in result["metrics"].values()} == set(result["protocols"])
