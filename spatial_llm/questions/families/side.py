"""Asks whether a named source is on a side of the listener: one question of the family `negative` as a family of its own."""

from spatial_llm.questions.families.negative import wrong_place
from spatial_llm.questions.family import Family

FAMILY = Family("side", {}, (), type="negative", ask=(wrong_place,))
