"""Every YAML file of the repository belongs to exactly one dataclass, is parsed by it, and comes back equal."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig

from spatial_llm.encoders.kinds import ENCODERS
from spatial_llm.evaluation.predicting.tasks import Task, read_task
from spatial_llm.ranges import field_types
from spatial_llm.settings import parse_arguments, read_yaml, to_yaml
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.objectives import OBJECTIVES
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.preference.arguments import PreferenceArguments
from spatial_llm.training.tiny.arguments import TextArguments
from tests.scripts import arguments_of

REPOSITORY = Path(__file__).resolve().parents[1]
FUSIONS = ("delayed", "lal", "gated_cross_attention")  # of which there are configs at both sizes
FOLDERS = ("recipes", "data", "eval", "tests/doors/configs")
EVERY_YAML = sorted(
    str(path.relative_to(REPOSITORY)) for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.y*ml")
)


@dataclass(frozen=True)
class Claim:
    """The dataclass of some YAML files.

    Attributes:
        kind: the dataclass.
        patterns: paths of the files, as fnmatch has them.
        given: what the command line adds, because the files leave it out.
        part: the files hold only some keys; others include them.
    """

    kind: type
    patterns: tuple[str, ...]
    given: tuple[str, ...] = ()
    part: bool = False


CLAIMS = (
    Claim(
        EncoderArguments,
        (
            "recipes/configs/dspast*",
            "recipes/configs/ablation/dspast*",
            "*/spatial_ast*",
            "*encoder.yaml",
            "*/tiny/heads.yaml",
            "*/tiny/frames.yaml",
            "*/field/tiny/foa_iv.yaml",
            *(f"*/alignment/tiny/{name}.yaml" for name in (*OBJECTIVES, "projection")),
        ),
    ),
    Claim(EncoderArguments, ("recipes/configs/common/encoder_stages.yaml",), part=True),
    Claim(
        BatArguments,
        (
            "*/bat.yaml",
            "*/tiny/answers.yaml",
            "*/tiny/cooldown.yaml",
            "*/tiny/presence.yaml",
            "recipes/configs/spatialsoundqa*",
            "recipes/configs/demo.yaml",
            "tests/doors/configs/demo.yaml",
            "*/fusion/plits.yaml",
            "*/fusion/pal.yaml",
            "*/fusion/rvq.yaml",
            *(f"recipes/configs/fusion/{name}.yaml" for name in FUSIONS),
            *(f"*/fusion/tiny/{name}.yaml" for name in (*FUSIONS, "prefix", "hybrid", "pool", "rvq", "lal_*")),
            "*/motion/tiny/pool.yaml",
            "*/time/tiny/base.yaml",
            "*/preference/tiny/finetuned.yaml",
            "*/preference/tiny/taught.yaml",
        ),
    ),
    Claim(BatArguments, ("*/fusion/curriculum.yaml", "*/fusion/tiny/base.yaml", "*/fusion/tiny/mlp.yaml"), part=True),
    Claim(BatArguments, ("*/language_models/*",), ("--config", "recipes/configs/spatialsoundqa_single_stage.yaml")),
    Claim(
        PreferenceArguments,
        (
            "recipes/configs/preference/dpo.yaml",
            "recipes/configs/preference/grpo.yaml",
            *("*/preference/tiny/dpo.yaml", "*/preference/tiny/grpo.yaml"),
            "tests/doors/configs/preference.yaml",
        ),
    ),
    Claim(TextArguments, ("*/text.yaml", "*/tiny/lookup.yaml", "*/tiny/compare.yaml")),
    Claim(
        arguments_of("data/simulate_scenes.py"),
        (
            "*scenes.yaml",
            "data/configs/demo.yaml",
            "data/configs/demo_train.yaml",
            "data/configs/dry_index.yaml",
            "data/configs/first_look.yaml",
            "data/configs/reverberant_rooms.yaml",
            "tests/doors/configs/data.yaml",
        ),
        ("--output", "data"),
    ),
    Claim(
        arguments_of("data/write_questions.py"),
        ("*questions.yaml", "*/tiny/test_counts.yaml", "*/tiny/test_presence.yaml", "data/configs/all_families.yaml"),
        ("--data", "data"),
    ),
    Claim(arguments_of("data/prepare_sounds.py"), ("*/tiny/sounds.yaml",), ("--output", "sounds")),
    Claim(arguments_of("data/check_manifest.py"), ("data/configs/check_manifest.yaml",)),
    Claim(arguments_of("data/prepare_spatialsoundqa.py"), ("data/configs/prepare_*",), ("--release", "release")),
    Claim(Task, ("eval/tasks/[!/]*.yaml", "recipes/configs/fusion/tiny/task.yaml")),
    Claim(Task, ("eval/tasks/common/*",), part=True),
    Claim(ClusterConfig, ("recipes/launch/*",)),
)


def claims_on(name: str) -> list[Claim]:
    """The claims with a pattern for a path; `*` of eval/tasks stops at folders."""
    matching = [claim for claim in CLAIMS if any(fnmatch(name, pattern) for pattern in claim.patterns)]
    return [claim for claim in matching if claim.part or claim.kind is not Task or "/common/" not in name]


@pytest.mark.parametrize("name", EVERY_YAML)
def test_every_yaml_is_claimed_by_exactly_one_dataclass(name: str) -> None:
    assert len(claims_on(name)) == 1, [claim.kind for claim in claims_on(name)]
    # The content agrees: no other dataclass has all of its keys.
    keys, others = set(read_yaml(REPOSITORY / name).content), {claim.kind for claim in CLAIMS} - {claims_on(name)[0].kind}
    assert [kind for kind in others if keys <= set(field_types(kind))] == []


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.patterns[0])
def test_every_pattern_has_a_file(claim: Claim) -> None:
    for pattern in claim.patterns:
        assert any(claim in claims_on(name) and fnmatch(name, pattern) for name in EVERY_YAML), pattern


@pytest.mark.parametrize("name", EVERY_YAML)
def test_every_yaml_is_parsed_and_comes_back_equal(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    claim, written = claims_on(name)[0], tmp_path / "written.yaml"
    if claim.part:
        wholes = [other for other in EVERY_YAML if other != name and Path(name) in read_yaml(other).files]
        assert wholes and all(claims_on(other)[0].kind is claim.kind for other in wholes), "included by files of its kind"
        return
    read, write = reader_and_writer(claim)
    found = read(name)
    written.write_text(write(found))
    assert read(str(written)) == found
    if isinstance(found, EncoderArguments) and found.initial_encoder is None:
        config = ENCODERS[found.model_type][0](**found.model)
        assert set(found.model) <= set(config.to_dict())
        assert config.window_samples // config.hop_length + 1 <= config.num_frames


def reader_and_writer(claim: Claim) -> tuple[Callable[[str], Any], Callable[[Any], str]]:
    """How files of a claim are read, and how their text is written."""
    if claim.kind is Task:
        return read_task, lambda task: yaml.safe_dump(task.to_dict())
    if claim.kind is ClusterConfig:
        # A key that accelerate does not know stops it here.
        return launch_settings, yaml.safe_dump
    return lambda file: parse_arguments(claim.kind, [*claim.given, "--config", file]), to_yaml


def launch_settings(file: str) -> dict[str, Any]:
    """What accelerate reads from a file; parts that are not in use are None or empty."""
    return {key: value for key, value in ClusterConfig.from_yaml_file(file).to_dict().items() if value}


def test_a_file_that_none_or_two_claim_is_seen() -> None:
    assert claims_on("recipes/configs/new.yaml") == []
    assert len(claims_on("recipes/configs/tiny/spatial_ast_encoder_scenes.yaml")) == 2
    assert all(dataclasses.is_dataclass(claim.kind) for claim in CLAIMS)
