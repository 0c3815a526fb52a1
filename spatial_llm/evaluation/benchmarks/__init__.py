"""Benchmarks of others: read from their released layout, asked in their wording, scored by their own rule.

`star_bench` is the spatial part of STAR-Bench, `mmau_pro` that of MMAU-Pro. Both give a `ChoiceSet`, which predicting takes
as any other set of questions, and a `ChoiceScores`, which keeps right or wrong for each item beside the numbers, so that
intervals over recordings can be computed.
"""

from spatial_llm.evaluation.benchmarks.choice_scores import ChoiceMetric, ChoiceScores
from spatial_llm.evaluation.benchmarks.choices import ChoiceItem, ChoiceSet
from spatial_llm.evaluation.benchmarks.mmau_pro import read_mmau_pro, score_mmau_pro
from spatial_llm.evaluation.benchmarks.star_bench import read_star_bench, score_star_bench

__all__ = [
    "ChoiceItem",
    "ChoiceMetric",
    "ChoiceScores",
    "ChoiceSet",
    "read_mmau_pro",
    "read_star_bench",
    "score_mmau_pro",
    "score_star_bench",
]
