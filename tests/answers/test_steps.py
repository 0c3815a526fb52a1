"""Steps of a thought-out answer: what is read, what agrees with what, and what a conclusion follows from."""

import time

import pytest

from spatial_llm import answers
from spatial_llm.answers.kinds.thought import conclusion_alone
from spatial_llm.answers.steps import follows, format_steps, heard_in, holds, is_same, mirror_step, read_steps
from spatial_llm.errors import SpatialLLMError

CHAIN = (
    "I hear the bell: left, front, 2.5m. I hear the walk, footsteps: right, 4m. "
    "The bell is nearer than the walk, footsteps. Answer: bell"
)
BELL = {"heard": "bell", "left_right": "left", "front_behind": "front", "distance_m": 2.5}
WALK = {"heard": "walk, footsteps", "left_right": "right", "distance_m": 4.0}
NEARER = {"sound": "bell", "side": "nearer", "than": "walk, footsteps"}


@pytest.mark.parametrize("reading", ["strict", "lenient"])
def test_a_chain_is_its_steps_and_its_conclusion(reading) -> None:
    value = {"labels": ["bell"], "steps": [BELL, WALK, NEARER]}
    assert answers.read("thought_labels", CHAIN, reading) == value
    assert answers.write("thought_labels", value) == CHAIN
    assert answers.read("thought_labels", f"  {CHAIN.upper()}\n", reading) == value
    image = answers.KINDS["thought_labels"].mirror(value)
    assert image["steps"][:2] == [BELL | {"left_right": "right"}, WALK | {"left_right": "left"}]
    assert image["steps"][2] == NEARER and image["labels"] == ["bell"]


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("Answer: Yes", True, True),
        ("The bell is on your left. The answer is no.", None, False),
        ("The bell is on your left. Yes", None, None),  # no conclusion is marked
        ("Answer: yes. Answer: no", None, None),  # two are
        ("Answer: it may be", None, None),
        ("The bell is on your left. Answer:", None, None),
        ("", None, None),
    ],
)
def test_without_one_conclusion_an_answer_is_unparsed(text, strict, lenient) -> None:
    for reading, yes in (("strict", strict), ("lenient", lenient)):
        value = answers.read("thought_yes_no", text, reading)
        assert (None if value is None else value["yes"]) is yes
    assert answers.is_refusal("I hear the bell: left. Answer: I cannot tell") and not answers.is_refusal(CHAIN)


def test_a_sentence_that_is_no_step_is_kept_as_unread() -> None:
    steps = read_steps("I hear the bell: left, right. It is loud. I hear the dog: 2m, 3m. I hear the cat. The bell is up.")
    assert [step.get("unread") for step in steps] == [
        "i hear the bell: left, right", "it is loud", "i hear the dog: 2m, 3m", None, "the bell is up",
    ]  # fmt: skip
    assert steps[3] == {"heard": "cat"}
    assert read_steps("x" * 1000) == [{"unread": "x" * 1000}] and read_steps(" . . ") == []


def test_offsets_and_speeds() -> None:
    steps = [{"heard": "bell", "left_m": -1.2}, {"heard": "dog", "front_m": 0.5, "speed_m_s": 1.5}]
    text = "I hear the bell: 1.2m to the right. I hear the dog: 0.5m to the front, 1.5 m/s."
    assert (format_steps(steps), read_steps(text)) == (text, steps)
    assert mirror_step(steps[0]) == {"heard": "bell", "left_m": 1.2} and mirror_step(steps[1]) == steps[1]
    assert mirror_step({"sound": "bell", "side": "left", "than": "dog"})["side"] == "right"


def test_names_that_could_not_be_read_back_are_refused() -> None:
    for name in ("a: b", "bell. dog", "Bell", "x" * 400):
        with pytest.raises(SpatialLLMError, match="read back"):
            format_steps([{"heard": name, "distance_m": 1.0}])
    with pytest.raises(SpatialLLMError, match="more than one conclusion"):
        answers.write("thought_labels", {"labels": ["the answer: x"], "steps": []})


def test_a_comparison_holds_by_the_values_stated() -> None:
    heard = heard_in([BELL, WALK, {"heard": "dog", "left_m": 0.4}, {"heard": "cat", "left_m": 0.2, "speed_m_s": 1.0}])
    held = [
        (NEARER, True),
        (NEARER | {"side": "farther"}, False),
        ({"sound": "walk, footsteps", "side": "farther", "than": "bell"}, True),
        ({"sound": "bell", "side": "left", "than": "walk, footsteps"}, True),
        ({"sound": "bell", "side": "right", "than": "walk, footsteps"}, False),
        ({"sound": "dog", "side": "left", "than": "cat"}, True),  # both on the left, by how far
        ({"sound": "cat", "side": "left", "than": "dog"}, False),
        ({"sound": "bell", "side": "front"}, True),
        ({"sound": "bell", "side": "above"}, False),  # not stated
        ({"sound": "bell", "side": "nearer", "than": "cow"}, False),
        ({"sound": "cat", "side": "faster", "than": "dog"}, False),  # of the dog no speed is stated
    ]
    assert [holds(step, heard) for step, _ in held] == [expected for _, expected in held]
    assert heard_in([BELL, BELL | {"distance_m": 3.0}])["bell"] == {
        key: value for key, value in BELL.items() if key != "distance_m"
    }, "of a sound that is stated twice, what both agree on"
    assert is_same(NEARER, {"sound": "walk, footsteps", "side": "farther", "than": "bell"})
    assert not is_same(NEARER, NEARER | {"side": "farther"}) and not is_same(NEARER, {"sound": "bell", "side": "left"})


def test_a_conclusion_follows_from_the_answers_own_comparisons() -> None:
    truth = {"labels": ["bell"], "steps": [BELL, WALK, NEARER]}
    other = {"sound": "walk, footsteps", "side": "nearer", "than": "bell"}
    assert follows(truth, truth)
    assert follows({"labels": ["walk, footsteps"], "steps": [other]}, truth), "wrong, but it follows"
    assert not follows({"labels": ["bell"], "steps": [other]}, truth), "right, but it does not follow"
    assert not follows({"labels": ["bell"], "steps": []}, truth) and not follows({}, truth)
    yes = {"yes": True, "steps": [NEARER]}
    assert follows({"yes": False, "steps": [other]}, yes) and not follows({"yes": True, "steps": [other]}, yes)
    assert not follows({"yes": True, "steps": [NEARER, other]}, yes), "it states both"
    assert not follows({"yes": True, "steps": [{"sound": "bell", "side": "left"}]}, yes)


def test_the_conclusion_alone() -> None:
    assert conclusion_alone(CHAIN) == "Answer: bell" and conclusion_alone("bell") == "bell"


@pytest.mark.parametrize(
    "piece", ["i hear the ", "the bell is ", "is nearer than the ", "answer: ", ": ", ", ", "1m to the "]
)
def test_any_text_takes_linear_time(piece) -> None:
    start = time.process_time()
    for _ in range(3):
        answers.read("thought_labels", (piece * 20_000)[:60_000] + ". Answer: bell")
    assert time.process_time() - start < 3
