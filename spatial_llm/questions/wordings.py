"""The wordings of one question, and which of them each split uses.

Training and evaluation share some wordings, and each has some of its own. A model that learned strings instead of questions
fails on those that only evaluation uses. The family fills in names in braces: `{x}` and `{y}` stand for labels, the others
are explained where they are used.
"""

from dataclasses import dataclass

# Words for the side of a sound on which another one is.
RELATIONS = {
    "left": "on the left of",
    "right": "on the right of",
    "front": "in front of",
    "behind": "behind",
    "above": "above",
    "below": "below",
}


@dataclass(frozen=True)
class Wordings:
    """Holds the wordings of one question.

    Attributes:
        official: wordings close to SpatialSoundQA, used by both splits. A question that has them is of an official type, and
            all wordings that follow are used only if `QuestionConfig.more_phrasings` is on.
        both: wordings that both splits use.
        train, eval: wordings that only one split uses.
        extra: further wordings of training, used only if `QuestionConfig.more_phrasings` is on. A small language model knows
            no words except those of its questions, and with four wordings it learns strings.
        convention: a sentence that ends every wording except `official` and `extra`, if the answer depends on a convention
            (as in JAEGER, arXiv 2602.18527). Human users leave it out, and so does `extra`.
    """

    official: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    eval: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    convention: str = ""

    def of(self, split: str, more: bool = False, only_unseen: bool = False) -> tuple[str, ...]:
        """Returns the wordings that one split uses, in a fixed order.

        Args:
            split: "train" or "eval".
            more: `QuestionConfig.more_phrasings`.
            only_unseen: `QuestionConfig.only_unseen_phrasings`; for "eval", return only wordings that training never uses.
        """
        if split == "eval" and only_unseen:
            return self._with_convention(self.eval)
        if self.official and not more:
            return self.official
        own = self.both + (self.train if split == "train" else self.eval)
        return self.official + self._with_convention(own) + (self.extra if more and split == "train" else ())

    def _with_convention(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{text} {self.convention}" for text in texts) if self.convention else texts


def meters(distance_m: float) -> str:
    """Returns a distance in the form of questions: "3 meters", "2.5 meters", "1 meter"."""
    return f"{distance_m:g} meter" + ("" if distance_m == 1 else "s")
