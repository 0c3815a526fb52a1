"""The balance sees what a question gives away, and nothing where it gives nothing away."""

import numpy as np
import pytest

from spatial_llm.questions import Question
from spatial_llm.questions.balance import balance, balance_table

RNG = np.random.default_rng(0)


def yes_no(question: str, yes: bool) -> Question:
    return Question("negative", "WRONG_PLACE", question, "Yes" if yes else "No", {"yes": yes})


def of(items, **options):
    (row,) = balance(items, by="question_type", **options).values()
    return row


def test_an_even_set_gives_nothing_away():
    row = of([yes_no(f"Is the bell {side}?", bool(RNG.integers(2))) for _ in range(1000) for side in ("left", "right")])
    assert row.n == 2000 and row.different == 2 and set(row.answers) == {"Yes", "No"}
    assert row.yes == pytest.approx(0.5, abs=0.04) and row.question_only == pytest.approx(0.5, abs=0.05)
    assert row.majority == max(row.yes, 1 - row.yes)


def test_a_word_that_gives_the_answer_away_is_seen():
    items = [yes_no("Is the bell left?", RNG.uniform() < 0.9) for _ in range(500)]
    items += [yes_no("Is the bell right?", RNG.uniform() < 0.1) for _ in range(500)]
    row = of(items)
    assert row.yes == pytest.approx(0.5, abs=0.05) and row.question_only == pytest.approx(0.9, abs=0.04)


def test_names_are_masked_and_may_be_repeated():
    names = ("bell", "bell tower", "walk, footsteps")
    items = [
        Question("negative", "ABSENT", f"Where is the {name}?", f"There is no {name}", {"absent": name})
        for _ in range(20)
        for name in names
    ]
    row = of(items)
    assert row.answers == {"There is no {1}": 60} and row.question_only == 1.0 and row.yes is None


def test_numbers_are_masked_where_the_wording_is_rare():
    items = [yes_no(f"Is the bell {i / 7:.3f} m away?", i % 10 > 0) for i in range(400)]
    assert of(items).question_only == pytest.approx(0.9, abs=0.05)


def test_few_questions_and_the_table():
    row = of([yes_no("Is it?", True)])
    assert (row.n, row.majority, row.yes) == (1, 1.0, 1.0)
    assert balance([]) == {}
    table = balance_table(balance([yes_no("Is it?", True), yes_no("Is it?", False)]))
    assert "negative" in table and "50.0 %" in table and len(table.splitlines()) == 2
