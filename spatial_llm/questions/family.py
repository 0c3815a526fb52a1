"""What makes a family of questions: its question types, their wordings and the functions that ask them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.wordings import Wordings

Ask = Callable[[Asker, HeardScene], Question | None]
AskAlways = Callable[[Asker, HeardScene, int], Iterator[Question]]


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
    type: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.type or self.name)

    @property
    def is_official(self) -> bool:
        """True of the types A to E of SpatialSoundQA."""
        return self.ask_always is not None
