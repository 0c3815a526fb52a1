"""What makes a benchmark of others: how it is read, scored and named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from spatial_llm.evaluation.benchmarks.choice_scores import ChoiceScores, ParseChoice
from spatial_llm.evaluation.benchmarks.choices import ChoiceItem, ChoiceSet

Embed = Callable[[Sequence[str]], NDArray]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark; tasks name it by its key in `benchmarks.BENCHMARKS`.

    Attributes:
        title: as published_scores.csv and `ChoiceSet.benchmark` have it.
        protocol: first word of the protocols of its own rule, by which tasks ask for them.
        read: (path, leave out what cannot be used) to its questions.
        score: (questions, texts, texts to vectors, name of that embedding, our parser of choices) to the scores by its own
            rule. A benchmark whose rule needs no embedding ignores it.
        option_as_answer: (item, index of an option) to the answer by which its rule recognises that option.
    """

    title: str
    protocol: str
    read: Callable[..., ChoiceSet]
    score: Callable[[ChoiceSet, Sequence[str], Embed, str, ParseChoice], ChoiceScores]
    option_as_answer: Callable[[ChoiceItem, int], str]
