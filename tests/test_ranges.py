"""Every number that a door or a recipe can be given has a range, and is refused outside of it, by field and value."""

import dataclasses
import math
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spatial_llm.data.simulate.questions import WritingConfig
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig
from spatial_llm.data.simulate.sound_folder import SoundFolderConfig
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.ranges import Within, alternatives, check_numbers
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.settings import parse_arguments
from spatial_llm.training.encoder.arguments import (
    ClipArguments,
    EncoderArguments,
    EncoderOptimizerArguments,
    EncoderStage,
)
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments, BatStage, LoraArguments
from spatial_llm.training.tiny.arguments import TextArguments
from tests.scripts import module_of

REPOSITORY = Path(__file__).parents[1]
CONFIGS = REPOSITORY / "recipes/configs/demo_train"
# Enough to make one of each.
GIVEN: dict[type, dict[str, Any]] = {
    Schedule: {"batch_size": 1, "learning_rate": 1e-3, "steps": 3},
    LoraArguments: {},
    BatStage: {"name": "one"},
    BatArguments: {"run_folder": "r", "train_manifest": "m", "encoder": "e", "language_model": "l", "schedule": None},
    ClipArguments: {},
    EncoderOptimizerArguments: {},
    EncoderStage: {"name": "one", "loss_weights": {"event": 1.0}, "epochs": 2.0, "warmup_epochs": 1.0},
    EncoderArguments: {"run_folder": "r", "train_manifest": "m", "eval_manifest": None, "model_type": "dspast",
                       "schedule": None},
    TextArguments: {"run_folder": "r", "manifest": "m", "examples": 1, "eval_examples": 1, "schedule": None},
}  # fmt: skip
# Configurations below the layer of training, with checks of their own.
OTHERS: dict[type, dict[str, Any]] = {
    kind: {} for kind in (DrawConfig, QuestionConfig, RoomConfig, SimulationConfig, SoundsConfig, SplitConfig, WritingConfig)
} | {SoundFolderConfig: {"index": "i", "licences": []}}


def of_doors() -> dict[str, type]:
    found = {}
    for path in sorted(path for top in ("data", "eval", "recipes") for path in (REPOSITORY / top).glob("*.py")):
        module = module_of(str(path.relative_to(REPOSITORY)))
        for name, kind in vars(module).items():
            if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__:
                found[f"{path.stem}.{name}"] = kind
    return found


def numbers(hint: Any) -> Iterator[tuple[type, tuple]]:
    """The numeric types inside a type, each with what is said of its range."""
    for one in alternatives(hint):
        marks = one.__metadata__ if typing.get_origin(one) is typing.Annotated else ()
        bare = typing.get_args(one)[0] if marks else one
        if bare in (int, float):
            yield bare, tuple(mark for mark in marks if isinstance(mark, Within))
        elif typing.get_origin(bare) in (list, tuple, dict):
            for part in typing.get_args(bare):
                yield from numbers(part)


def numeric_fields(kind: type) -> dict[str, tuple[type, tuple]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: found[0] for field in dataclasses.fields(kind) if (found := list(numbers(hints[field.name])))}


def bad_values(number: type, marks: tuple) -> list[float]:
    (mark,) = marks
    below = mark.low if mark.above else mark.low - 1
    beyond = [] if mark.high == math.inf else [mark.high if mark.below else mark.high + 1]
    nowhere = [math.nan, math.inf, -math.inf]
    return [below, *beyond, *nowhere, *([1.5] if number is int else [])]


def test_every_number_of_every_door_and_recipe_has_a_range() -> None:
    doors = of_doors()
    assert {"predict.PredictArguments", "simulate_scenes.SimulateArguments", "bench.BenchArguments"} <= set(doors)
    without = [
        f"{kind.__qualname__}.{name}"
        for kind in (*GIVEN, *doors.values())
        for name, (_, marks) in numeric_fields(kind).items()
        if len(marks) != 1
    ]
    assert without == []


@pytest.mark.parametrize("kind", GIVEN, ids=lambda kind: kind.__name__)
def test_each_number_is_refused_outside_of_its_range(kind: type) -> None:
    given = GIVEN[kind]
    if "schedule" in given:
        given = given | {"schedule": Schedule(**GIVEN[Schedule])}
    kind(**given)
    for name, (number, marks) in numeric_fields(kind).items():
        for value in bad_values(number, marks):
            wrong = {**given, name: {"event": value} if name == "loss_weights" else value}
            with pytest.raises(SpatialLLMError, match=rf"{name}(\.event)? is {value}; give a (whole )?number"):
                kind(**wrong)


def test_the_numbers_of_doors_are_refused_outside_of_theirs() -> None:
    for kind in of_doors().values():
        made = object.__new__(kind)
        for field in dataclasses.fields(kind):
            setattr(made, field.name, None)
        for name, (number, marks) in numeric_fields(kind).items():
            many = "list" in str(typing.get_type_hints(kind, include_extras=True)[name])
            for value in bad_values(number, marks):
                setattr(made, name, [1, value] if many else value)
                with pytest.raises(SpatialLLMError, match=rf"{name}(\[1\])? is {value}; give a"):
                    check_numbers(made)
            setattr(made, name, None)


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_the_other_configurations_refuse_what_makes_no_sense(kind: type) -> None:
    hints = typing.get_type_hints(kind)
    for name, (number, _) in numeric_fields(kind).items():
        for value in (-1e9, math.nan, math.inf) if number is float else (-(10**9),):
            shaped = value
            if "tuple" in str(hints[name]):
                shaped = (value, value)
            elif "dict" in str(hints[name]):
                shaped = {"azimuth": value}
            elif "list" in str(hints[name]):
                shaped = [value]
            with pytest.raises(SpatialLLMError):  # as parse_arguments does with what it has made
                check_numbers(kind(**OTHERS[kind], **{name: shaped}))


@pytest.mark.parametrize(
    "argv, said",
    [
        (["--schedule.steps", "-5"], "schedule.steps is -5; give a whole number, 1 or more."),
        (["--schedule.steps", "0"], "schedule.steps is 0; give a whole number, 1 or more."),
        (["--schedule.keep_checkpoints", "0"], "schedule.keep_checkpoints is 0; give a whole number, 1 or more."),
        (["--schedule.learning_rate", ".nan"], "schedule.learning_rate is nan; give a number, above 0."),
        (["--schedule.learning_rate", ".inf"], "schedule.learning_rate is inf; give a number, above 0."),
        (["--schedule.batch_size", "0"], "schedule.batch_size is 0; give a whole number, 1 or more."),
        (["--schedule.warmup_fraction", "1.5"], "schedule.warmup_fraction is 1.5; give a number, 0 to 1."),
        (["--schedule.loader_workers", "-1"], "schedule.loader_workers is -1; give a whole number, 0 or more."),
        (["--lora.dropout", "2"], "lora.dropout is 2.0; give a number, 0 to 1."),
        (["--stages", '[{"name": "a", "steps": 0}]'], "stages[...].steps is 0; give a whole number, 1 or more."),
        (["--cache_limit", "0"], "cache_limit is 0.0; give a number, above 0."),
    ],
)
def test_at_the_command_line_one_sentence_names_field_and_value(argv: list[str], said: str) -> None:
    with pytest.raises(SpatialLLMError) as refused:
        parse_arguments(BatArguments, argv, default_config=CONFIGS / "bat.yaml")
    assert str(refused.value) == said


def test_a_warm_up_longer_than_the_stage_is_refused() -> None:
    with pytest.raises(SpatialLLMError, match=r"warmup_epochs is 3\.0, epochs 2\.0"):
        EncoderStage(**GIVEN[EncoderStage] | {"warmup_epochs": 3.0})


@pytest.mark.parametrize("schedule", [{"save_every": 0}, {"max_grad_norm": 0}, {"warmup_fraction": 0, "weight_decay": 0}])
def test_a_zero_that_means_something_is_taken(schedule: dict[str, float]) -> None:
    Schedule(**GIVEN[Schedule] | schedule)


def test_help_shows_the_fields_inside_and_their_ranges(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(BatArguments, ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--schedule.steps STEPS" in said and "1 or more" in said and "above 0" in said
