"""Fields of version 0.1: renamed since, they give the digests that version 0.1 gave; so its finished stages are reused."""

from typing import Any

import pytest

from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.families import FAMILIES
from spatial_llm.settings import flat_fields
from spatial_llm.training.engine.schedule import RESUMABLE, Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.version_0_1 import fields_of_version_0_1
from spatial_llm.training.tiny.arguments import LATER_FAMILIES, TextArguments
from spatial_llm.workflow import fingerprint_of

SCHEDULE = Schedule(batch_size=4, learning_rate=1e-3, steps=2)
GIVEN = {
    "num_query_tokens": 8, "num_hidden_layers": 2, "cross_attention_frequency": 1, "hidden_size": 192,
    "num_attention_heads": 6, "intermediate_size": 768, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    "standardize_inputs": True,
}  # fmt: skip


def fields_of(arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in flat_fields(arguments).items() if name not in RESUMABLE}


# Computed by version 0.1: queries=8, layers=2, ..., intermediate_size=None (four times 192), calibrate=True.
@pytest.mark.parametrize(("projector", "digest"), [({}, "cded5f06871389d6"), (GIVEN, "a3826437d05bb14f")])
def test_a_projector_has_the_digest_of_version_0_1(projector: dict, digest: str) -> None:
    fields = fields_of(BatArguments("run", "m", SCHEDULE, "e", "l", projector))
    assert digest in [fingerprint_of(one)[:16] for one in fields_of_version_0_1(fields)]


@pytest.mark.parametrize(
    "projector", [{"model_type": "spatial_mlp_projector"}, GIVEN | {"attention_probs_dropout_prob": 0.1}]
)
def test_a_projector_that_version_0_1_did_not_have_has_none(projector: dict) -> None:
    assert fields_of_version_0_1(fields_of(BatArguments("run", "m", SCHEDULE, "e", "l", projector))) == []


def test_questions_have_the_digest_of_version_0_1() -> None:
    ask = {family.name: 1 for family in FAMILIES} | {"negative": 2, "side": 0} | {"azimuth": 2, "span": 0}
    later = set(LATER_FAMILIES)
    known = {name: count for name, count in ask.items() if name not in later}
    for asked in (known, known | dict.fromkeys(later, 0)):
        fields = fields_of(TextArguments("run", "m", SCHEDULE, 10, 2, QuestionConfig(limit=3, ask=asked)))
        (before,) = TextArguments.earlier_fields(fields)
        assert fingerprint_of(before, sort_keys=True)[:16] == "2c9ee0e267ddaaad"
    fields = fields_of(TextArguments("run", "m", SCHEDULE, 10, 2, QuestionConfig(limit=3, ask=ask)))
    assert TextArguments.earlier_fields(fields) == [], "version 0.1 did not ask what came later"
    assert "questions.leave_out" not in fields, "runs of before it are recognised"
    config = QuestionConfig(limit=3, ask=ask, leave_out=["ABSENT"])
    assert fields_of(TextArguments("run", "m", SCHEDULE, 10, 2, config))["questions.leave_out"] == ["ABSENT"]
    assert TextArguments.earlier_fields(fields_of(TextArguments("run", "m", SCHEDULE, 10, 2))) == []
