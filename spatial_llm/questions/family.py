"""What makes a family of questions: its question types, their wordings and the functions that ask them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.wordings import Wordings

Ask = Callable[[Asker, HeardScene], Question | None]
AskAlways = Callable[[Asker, HeardScene, int], Iterator[Question]]
# (meaning, true value, sources of the scene or None) -> true value of the mirror image, or None where it is not known
Mirror = Callable[[About, dict[str, Any], Sequence[HeardSource] | None], dict[str, Any] | None]


@dataclass(frozen=True)
class Family:
    """One family, as `QuestionConfig.ask` names it.

    Attributes:
        name: its name in a configuration.
        types: question type -> kind of the value that answers it (`answers.KINDS`).
        wordings: all wordings of its questions.
        ask: functions that ask one question about a scene, or return None where nothing is clear enough. They take turns.
        ask_always: of the official types, in place of `ask`: asks up to so many questions of every clip that has exactly
            `sources` sources.
        sources: see `ask_always`.
        most: the most questions a clip that `ask_always` can ask; None without such a bound.
        mirror: by question type, what is true once left and right are exchanged, where that is not just the mirrored value:
            the question itself names a side, a place or a turn. See `mirroring.mirror`.
        opposites: question type -> words of what the question asks for, and words of its opposite. An answer with words of
            the opposite alone names something else than what was asked for (see `types.parse_value`).
        needs: what of a scene its questions are about besides directions, distances and labels: "times", "room", or that one
            class sounds twice ("repeated class"). Scenes made for these questions alone hold it.
        type: the type that records of its questions have: "A" to "E" of the official types, the name of the family
            otherwise.
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
    needs: Collection[Literal["times", "room", "repeated class"]] = ()
    type: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.type or self.name)

    @property
    def is_official(self) -> bool:
        """True of the types A to E of SpatialSoundQA."""
        return self.ask_always is not None


def mirror_claim(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any]:
    """Mirror a yes or no to a claim of left or right, which turns into its contrary: such claims are made only of sources
    that are clearly on one side, or on opposite ones. Other claims stay as they are."""
    return {"yes": not value["yes"]} if about.axis == "left_right" else value
