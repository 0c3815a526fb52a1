"""Computes metrics from predicted texts and true values, in two steps: `read_answers` extracts, `compute_metrics` measures.

A metric is a function of how often each of its items counts (`statistics.Statistic`), so that one function gives the value,
its interval and the test against another run.
"""

from spatial_llm.evaluation.metrics.compute import compute_metrics, embedded_texts, measures_of_items
from spatial_llm.evaluation.metrics.cross_type import declined_of, right_of
from spatial_llm.evaluation.metrics.extract import Extracted, extract
from spatial_llm.evaluation.metrics.metric import Metric, interval_of
from spatial_llm.evaluation.metrics.protocols import PROTOCOLS, family_name, rule_of
from spatial_llm.evaluation.metrics.scored_run import ScoredRun, read_answers
from spatial_llm.evaluation.metrics.truths import Truth, context_of, mirrored_truths, read_truths, reversed_truths

__all__ = [
    "PROTOCOLS",
    "Extracted",
    "Metric",
    "ScoredRun",
    "Truth",
    "compute_metrics",
    "context_of",
    "declined_of",
    "embedded_texts",
    "extract",
    "family_name",
    "interval_of",
    "measures_of_items",
    "mirrored_truths",
    "read_answers",
    "read_truths",
    "reversed_truths",
    "right_of",
    "rule_of",
]
