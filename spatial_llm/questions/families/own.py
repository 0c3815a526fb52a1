"""Questions of one's own, with free answers. Nobody writes them about a scene: they come with the recordings of their author
(`data.importing`), so this family has no wordings and is not among `FAMILIES`."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.family import Family


def mirror(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> None:
    """Returns None: what a free answer becomes when left and right are exchanged is not known."""
    return None


OPEN = "OPEN"  # the question type
FAMILY = Family("open", {OPEN: "text"}, (), mirror={OPEN: mirror})
