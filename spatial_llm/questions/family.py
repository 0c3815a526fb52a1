"""Defines a family of questions: its question types, their wordings and the functions that ask them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.wordings import Wordings

Ask = Callable[[Asker, HeardScene], Question | None]
AskAlways = Callable[[Asker, HeardScene, int], Iterator[Question]]
# (meaning, true value, sources of the scene or None) -> true value in the mirror image, None if unknown
Mirror = Callable[[About, dict[str, Any], Sequence[HeardSource] | None], dict[str, Any] | None]


@dataclass(frozen=True)
class Family:
    """Defines one family, as `QuestionConfig.ask` names it.

    Attributes:
        name: its name in a configuration.
        types: question type -> kind of the value that answers it (`answers.KINDS`).
        wordings: all wordings of its questions.
        ask: functions that ask one question about a scene, or return None if nothing is clear enough. They take turns.
        ask_always: for the official types, in place of `ask`: asks up to a given number of questions of every clip that has
            exactly `sources` sources.
        sources: see `ask_always`.
        most: most questions of a clip that `ask_always` can ask; None without such a bound.
        mirror: question type -> function that returns the truth after left and right are exchanged, where that is not just
            the mirrored value: the question itself names a side, a place or a turn. See `mirroring.mirror`.
        opposites: question type -> words of what the question asks for, and words of its opposite. An answer that contains
            only words of the opposite answers another question (see `types.parse_value`).
        needs: what its questions need of a scene besides directions, distances and labels: "times", "room", that one class
            sounds twice ("repeated class"), or that sources move or the listener turns ("motion"). Scenes made for these
            questions alone contain it.
        type: the type of its records: "A" to "E" for the official types, the name of the family otherwise.
    """

    name: str
    types: Mapping[str, str]
    wordings: tuple[Wordings, ...]
    ask: tuple[Ask, ...] = ()
    ask_always: AskAlways | None = None
    sources: int = 0
    most: int | None = None
    mirror: Mapping[str, Mirror] = field(default_factory=dict)
    opposites: Mapping[str, tuple[Collection[str], Collection[str]]] = field(default_factory=dict)
    needs: Collection[Literal["times", "room", "repeated class", "motion"]] = ()
    type: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.type or self.name)

    @property
    def is_official(self) -> bool:
        """Returns True for the types A to E of SpatialSoundQA."""
        return self.ask_always is not None


def mirror_claim(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any]:
    """Returns yes or no after left and right are exchanged. A claim of left or right turns into its contrary, because such
    claims are made only of sources that are clearly on one side, or on opposite ones. Other claims stay as they are."""
    return {"yes": not value["yes"]} if about.axis == "left_right" else value
