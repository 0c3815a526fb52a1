"""Settings of the objectives: what DPO and GRPO can be told."""

from dataclasses import dataclass, field
from typing import ClassVar

from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Checked, Count, NonNegative, Positive


@dataclass
class DpoSettings(Checked):
    """Direct preference optimisation (arXiv 2305.18290).

    Attributes:
        beta: how strongly the model is held near where it started; the loss is -log sigmoid(beta x margin).
        length_normalised: the margin is of mean log-probabilities of a token and not of sums, so that a longer answer is not
            worth more (arXiv 2405.14734). A token's mean is small: take a larger beta, such as 2.
        anchor: weight of the negative log-likelihood of a token of the chosen answer, which keeps its probability from
            falling together with that of the rejected one (arXiv 2404.19733: 1).
    """

    called: ClassVar[str] = "dpo"

    beta: NonNegative = 0.1
    length_normalised: bool = False
    anchor: NonNegative = 0.0


@dataclass
class RewardSettings(Checked):
    """What an answer is worth.

    Attributes:
        right: for the true value; times `nearness` for others, which falls with the error (`answers.closeness`).
        form: added if the strict reading reads a value: the words and the unit that were asked for.
        unparsed: for a text in which no reading finds a value.
        refused: for "I cannot tell" where the answer is known.
    """

    called: ClassVar[str] = "grpo.rewards"

    right: NonNegative = 1.0
    form: NonNegative = 0.1
    unparsed: float = -0.5
    refused: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unparsed > min(self.refused, 0.0):
            raise SpatialLLMError(
                f"grpo.rewards.unparsed is {self.unparsed}, refused {self.refused}; an answer that says nothing may not be "
                "worth more than one that declines, or than a wrong one (0): give a lower number."
            )


@dataclass
class GrpoSettings(Checked):
    """Group-relative policy optimisation (arXiv 2402.03300).

    Attributes:
        samples: answers to each question, the group whose mean reward is the baseline.
        temperature: of sampling.
        max_new_tokens: longest answer, in tokens.
        inner_epochs: steps on the same answers; from the second on the ratio to the sampling model is clipped.
        clip: how far that ratio counts, 1 +- clip.
        kl: weight of the divergence from the model that the run started from; 0 computes none.
        rewards: what an answer is worth.
    """

    called: ClassVar[str] = "grpo"

    samples: Count = 8
    temperature: Positive = 1.0
    max_new_tokens: Count = 64
    inner_epochs: Count = 1
    clip: Positive = 0.2
    kl: NonNegative = 0.04
    rewards: RewardSettings = field(default_factory=RewardSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 2:
            raise SpatialLLMError("grpo.samples is 1; answers are compared within their group: give 2 or more.")
        if self.inner_epochs == 1 and self.clip != type(self).clip:
            raise SpatialLLMError(
                f"grpo.clip is {self.clip} with inner_epochs 1, where the ratio that it clips is always 1; leave it out, or "
                "give inner_epochs 2 or more."
            )
