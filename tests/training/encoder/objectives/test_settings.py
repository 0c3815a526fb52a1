"""The field `objective`: one type with its own fields; without it runs are recorded as they were before there was one."""

import hashlib
import json
from pathlib import Path

import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.settings import flat_fields, parse_arguments
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.objectives import OBJECTIVES, read_objective
from spatial_llm.training.encoder.objectives.both import Both
from spatial_llm.training.encoder.objectives.contrastive import Contrastive
from spatial_llm.training.encoder.objectives.supervised import Supervised
from spatial_llm.training.encoder.objectives.teacher import Teacher

REPOSITORY = Path(__file__).resolve().parents[4]
# The recorded fields of configs of before there were objectives, computed at that version.
DIGESTS = {
    "tiny/first_encoder": "da335a984b84b45bda5aa16d740dd2a0126893ec25c147f0e4b6bb138600b2cc",
    "ablation/dspast": "4f42bef09821532e2baa8cdd534362226f804085e1f0371fd05619005f079d38",
    "dspast": "c14b34960a5d8a4b76e18f09ac9171c61e9551820485975cc3e9ad7c344d56f8",
}


def test_every_type_is_read_with_its_defaults() -> None:
    needed = {"teacher": {"teacher": "folder"}}
    for name, kind in OBJECTIVES.items():
        objective = read_objective({"type": name, **needed.get(name, {})})
        assert type(objective) is kind and kind.name == name
    assert read_objective(None) == Supervised()
    assert read_objective({"type": "both", "temperature": 0.1, "decoder_layers": 1}) == Both(
        temperature=0.1, decoder_layers=1
    )
    teacher = read_objective({"type": "teacher", "teacher": "x"})
    assert teacher == Teacher(teacher="x") and teacher.alignment_weight == teacher.reconstruction_weight == 1.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "dpo"}, "expected one of supervised, contrastive, captioning, both, teacher"),
        ({"type": "supervised", "wordings": 2}, "its fields are none"),
        ({"type": "contrastive", "temprature": 0.1}, "did you mean temperature"),
        ({"type": "contrastive", "decoder_size": 64}, "no field of contrastive"),
        ({"type": "captioning", "sentence_encoder": "x"}, "no field of captioning"),
        ({"type": "captioning", "decoder_size": 30}, r"decoder_size is 30, with 4 heads"),
        ({"type": "captioning", "vocab_size": 100}, r"vocab_size is 100"),
        ({"type": "contrastive", "temperature": 0.0}, "temperature is 0"),
        ({"type": "contrastive", "text_side": "mlp"}, "text_side is 'mlp'"),
        ({"type": "both", "captioning_weight": -1.0}, "captioning_weight is -1"),
        ({"type": "teacher"}, r"needs objective\.teacher"),
        ({"type": "teacher", "teacher": "x", "masked": 1.5}, "masked is 1.5"),
    ],
)
def test_refusals(given: dict, words: str) -> None:
    with pytest.raises(SpatialLLMError, match=words):
        read_objective(given)


def parsed(config: str, *options: str) -> EncoderArguments:
    return parse_arguments(EncoderArguments, ["--config", str(REPOSITORY / f"recipes/configs/{config}.yaml"), *options])


@pytest.mark.parametrize("config", DIGESTS)
def test_configs_without_an_objective_are_recorded_as_before(config: str) -> None:
    fields = flat_fields(parsed(config))
    assert not any(name.startswith("objective") for name in fields)
    assert hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest() == DIGESTS[config]


def test_supervised_is_one_run_however_it_is_said() -> None:
    plain, said = parsed("ablation/dspast"), parsed("ablation/dspast", "--objective.type=supervised")
    assert plain.objective is None and plain == said


def test_an_objective_stands_in_the_record_of_a_run() -> None:
    given = parsed("ablation/dspast", '--objective={"type": "contrastive", "temperature": 0.05}')
    assert read_objective(given.objective) == Contrastive(temperature=0.05)
    fields = flat_fields(given)
    assert fields["objective.type"] == "contrastive" and fields["objective.temperature"] == 0.05
    with pytest.raises(SpatialLLMError, match="no field of contrastive"):
        parsed("ablation/dspast", '--objective={"type": "contrastive", "layer": 3}')
