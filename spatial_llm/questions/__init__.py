"""Writes questions about a scene, their answers, and the structured truth behind each."""

from spatial_llm.questions.asking import Question
from spatial_llm.questions.balance import balance, balance_table
from spatial_llm.questions.config import QuestionConfig, official_only
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.scene_text import scene_to_text
from spatial_llm.questions.text_corpus import text_examples
from spatial_llm.questions.writer import QuestionWriter

__all__ = [
    "HeardScene",
    "HeardSource",
    "Question",
    "QuestionConfig",
    "QuestionWriter",
    "balance",
    "balance_table",
    "official_only",
    "scene_to_text",
    "text_examples",
]
