"""Configures how many questions a recording gets, of which families, and what counts as ambiguous."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from spatial_llm.errors import SceneError
from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.margins import Margins

_NAMES = [family.name for family in FAMILIES]


@dataclass
class QuestionConfig(Margins):
    """Configures how many questions a clip gets, of which families, and what counts as ambiguous (see `Margins`).

    A clip with one or two sources always gets its official questions. Other families are drawn at random until the clip has
    `limit` questions in all. Within a family the question types take turns.

    Attributes:
        ask: name of a family -> how many of its questions a clip gets. Families that are not named write none.
        limit: most questions of a clip; the official types are not cut.
        leave_out: question types that are not asked, of families that are, as in leave_out: [ABSENT].
        more_phrasings: use further wordings: ours beside the official ones, and more for training.
        only_unseen_phrasings: in the split eval, use only wordings that training never uses.
    """

    ask: dict[str, int] = field(default_factory=dict)
    limit: int = 10
    leave_out: list[str] = field(default_factory=list, metadata={"later": True})
    more_phrasings: bool = False
    only_unseen_phrasings: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # A key of a YAML without a value is None.
        for name, kind, wanted in (("ask", Mapping, "families with their counts"), ("leave_out", list, "question types")):
            if not isinstance(value := getattr(self, name), kind):
                raise SceneError(f"{name} is {value!r}; give {wanted}, or leave the key out.")
        unknown = sorted(set(self.ask) - set(_NAMES))
        if unknown:
            raise SceneError(f"ask names {', '.join(unknown)}; the families are {', '.join(_NAMES)}.")
        for family in FAMILIES:
            count = self.count(family.name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise SceneError(f"ask.{family.name} is {count!r}; give how many questions a clip gets, 0 or more.")
            if family.most is not None and count > family.most:
                raise SceneError(f"ask.{family.name} is {count}; give at most {family.most}, one for each source.")
        self._check_left_out()
        if self.limit < 0:
            raise SceneError(f"limit is {self.limit}; give the most questions a clip, 0 or more.")

    def _check_left_out(self) -> None:
        families = [family for family in FAMILIES if self.count(family.name)]
        asked = list(dict.fromkeys(name for family in families for name in family.types))
        unknown = sorted(set(self.leave_out) - set(asked))
        if unknown:
            raise SceneError(
                f"leave_out names {', '.join(unknown)}; the question types that `ask` asks are {', '.join(asked) or 'none'}."
            )
        for family in families:
            if family.types and set(family.types) <= set(self.leave_out):
                raise SceneError(f"leave_out names all question types of {family.name}; leave the family out of `ask`.")

    def count(self, family: str) -> int:
        """Returns how many questions of a family a clip gets; 0 if the family is not named."""
        return self.ask.get(family, 0)

    @property
    def wanted_families(self) -> list[str]:
        """Returns the configured families without the official types, each as often as its count."""
        return [family.name for family in FAMILIES if not family.is_official for _ in range(self.count(family.name))]

    @property
    def needs(self) -> set[str]:
        """Returns what the configured families need of a scene, see `Family.needs`."""
        return {need for family in FAMILIES if self.count(family.name) for need in family.needs}

    def check_asked(self) -> None:
        """Raises SceneError, which names the families, if the configuration writes no question at all."""
        if not any(self.ask.values()):
            raise SceneError(
                f"ask is {self.ask}, so no question is asked; name families and how many questions of each a clip gets, as "
                f"in ask: {{location: 1, azimuth: 2}}. The families are {', '.join(_NAMES)}."
            )

    @classmethod
    def explain_key(cls, key: str) -> str | None:
        """Returns what to write instead of a key of earlier versions, in which each family was a field; None for any other
        key."""
        hint = f"families stand under `ask` now, as in ask: {{{key}: 1}}; leave out those that are not to be asked"
        return hint if key in _NAMES else None


def official_only(ask: Mapping[str, int] | None = None, **values: float | bool) -> QuestionConfig:
    """Returns the configuration that writes each official type once, and nothing else.

    Args:
        ask: counts that differ.
        values: further fields.
    """
    once = {family.name: 1 for family in FAMILIES if family.is_official}
    return QuestionConfig(ask=once | dict(ask or {}), **values)
