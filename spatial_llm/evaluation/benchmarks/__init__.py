"""Benchmarks of others: read from their released layout, with their prompts, scored by their own rule.

`star_bench` is the spatial part of STAR-Bench, `mmau_pro` that of MMAU-Pro. Both give a `ChoiceSet`, which predicting takes
as any other set of questions, and a `ChoiceScores`, which keeps right or wrong for each item beside the numbers, so that
intervals over recordings can be computed. To add one, write its file and name it in `BENCHMARKS`.
"""

from spatial_llm.evaluation.benchmarks import mmau_pro, star_bench
from spatial_llm.evaluation.benchmarks.benchmark import Benchmark
from spatial_llm.evaluation.benchmarks.choice_scores import ChoiceMetric, ChoiceScores
from spatial_llm.evaluation.benchmarks.choices import ChoiceItem, ChoiceSet
from spatial_llm.evaluation.benchmarks.mmau_pro import read_mmau_pro, score_mmau_pro
from spatial_llm.evaluation.benchmarks.star_bench import read_star_bench, score_star_bench

# by the name that tasks give them
BENCHMARKS: dict[str, Benchmark] = {
    "star_bench": star_bench.BENCHMARK,
    "mmau_pro": mmau_pro.BENCHMARK,
}

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "ChoiceItem",
    "ChoiceMetric",
    "ChoiceScores",
    "ChoiceSet",
    "read_mmau_pro",
    "read_star_bench",
    "score_mmau_pro",
    "score_star_bench",
]
