"""Finds the taught question that is nearest to what a person asks."""

from spatial_llm.questions.matching.match import NEAR, Match, QuestionMatcher

__all__ = ["NEAR", "Match", "QuestionMatcher"]
