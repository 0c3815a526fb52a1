"""Arguments are typed: YAML and command line meet in one dataclass, and an unknown key stops the run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import yaml

from spatial_llm.data.simulate.questions import WritingConfig
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.adapters import inject_lora
from spatial_llm.model.mono_base import language_model_class
from spatial_llm.profiling.memory import KNOWN
from spatial_llm.projectors import QFormerProjectorConfig
from spatial_llm.projectors.settings import projector_config
from spatial_llm.settings import parse_arguments, read_yaml, to_yaml
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.run import build_encoder
from spatial_llm.training.encoder.stages import plan_stage
from spatial_llm.training.finetune.arguments import BatArguments


@dataclass
class Writing:
    writing: WritingConfig = field(default_factory=WritingConfig)


REPOSITORY = Path(__file__).parents[1]
RECIPES = REPOSITORY / "recipes/configs"
LANGUAGE_MODELS = sorted((RECIPES / "language_models").glob("*.yaml"))
TINY_BAT = REPOSITORY / "recipes/configs/demo_train/bat.yaml"


STAGED = sorted([*RECIPES.glob("dspast*.yaml"), *RECIPES.glob("spatial_ast*.yaml")])
TINY = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "duration_s": 1.0,
        "hop_length": 640}  # fmt: skip


@pytest.mark.parametrize("path", STAGED, ids=lambda path: path.stem)
def test_every_staged_config_builds_its_model_and_trains_a_step(path: Path) -> None:
    arguments = parse_arguments(EncoderArguments, ["--config", str(path)])
    model = build_encoder(arguments.model_type, arguments.model | TINY, ["bell", "dog"]).train()
    for stage in arguments.stages:
        model.config.loss_weights = stage.loss_weights
        clips = 1_861_750 if "unbalanced" in (stage.train_manifest or arguments.train_manifest) else 18_373
        plan = plan_stage(arguments, stage, clips, processes=4)
        assert 0 < plan.warmup_steps < plan.steps and plan.learning_rate in (1e-3, 5e-4, 5e-5)
        labels = {f"{task}_labels": torch.tensor([1, 2]) for task in ("distance", "azimuth", "elevation")}
        output = model(torch.randn(2, len(model.config.cues), 51, 128), event_labels=torch.eye(2), **labels)
        output.loss.backward()
    names = path.stem.split("_")
    assert (output.feature_attention is None) == (names[0] != "dspast" or "attention" in names)
    if "only" in names:
        counted = {task for stage in arguments.stages for task, weight in stage.loss_weights.items() if weight}
        assert counted == {"direction": {"azimuth", "elevation"}, "events": {"event"}}.get(names[-1], {names[-1]})
    assert len(STAGED) == 10


def test_command_line_wins_over_yaml_and_reaches_nested_fields() -> None:
    line = ["--schedule.steps", "7", "--lora.rank=3", "--projector.num_query_tokens", "9"]
    arguments = parse_arguments(BatArguments, line, default_config=TINY_BAT)
    assert (arguments.schedule.steps, arguments.lora.rank) == (7, 3)
    assert arguments.projector == yaml.safe_load(TINY_BAT.read_text())["projector"] | {"num_query_tokens": 9}
    assert parse_arguments(BatArguments, ["--lora", "null"], default_config=TINY_BAT).lora is None


REQUIRED = "run_folder: a\ntrain_manifest: b\neval_manifest: null\nmodel_type: dspast\n" \
    "schedule: {steps: 1, batch_size: 2, learning_rate: 1.0e-3}\n"  # fmt: skip
STAGES = "stages:\n- {name: a, loss_weights: {event: 1}, epochs: 1, warmup_epochs: 0}\n"


@pytest.mark.parametrize(
    "argv", [["--stepz", "3"], ["--schedule.stepz", "3"], ["--schedule.steps", "many"], ["--schedule.decay", "stairs"]]
)
def test_unknown_key_or_wrong_type_stops(argv: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(BatArguments, argv, default_config=TINY_BAT)
    assert argv[0].strip("-").split(".")[-1] in capsys.readouterr().err


def test_earlier_name_of_a_projector_field_stops_with_the_one_to_write() -> None:
    with pytest.raises(SpatialLLMError, match=r"projector.layers is no field .*write num_hidden_layers in its place"):
        parse_arguments(BatArguments, ["--projector.layers", "2"], default_config=TINY_BAT)


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    """Writes YAML files, by name without the ending, and returns the arguments that give the first of them."""

    def write(**texts: str) -> list[str]:
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / f"{name}.yaml").write_text(text)
        return ["--config", str(tmp_path / f"{next(iter(texts))}.yaml")]

    return write


def test_includes_are_merged_and_the_command_line_wins(files: Callable, tmp_path: Path) -> None:
    argv = files(
        top="include: [parts/a.yaml, parts/b.yaml]\nseed: 3\nmodel: {duration_s: 1.0}\nstages: []\n",
        **{"parts/a": f"include: base.yaml\nseed: 1\n{STAGES}", "parts/b": "schedule: {batch_size: 5}\ncpu_threads: 2\n"},
        **{"parts/base": f"{REQUIRED}model: {{hop_length: 320, duration_s: 9.0}}\nmirror: true\n"},
    )
    arguments = parse_arguments(EncoderArguments, argv)
    assert (arguments.seed, arguments.cpu_threads, arguments.mirror) == (3, 2, True)
    assert arguments.model == {"hop_length": 320, "duration_s": 1.0}, "mappings are merged key by key"
    assert (arguments.schedule.batch_size, arguments.schedule.learning_rate) == (5, 1e-3)
    assert arguments.stages == [], "lists are replaced whole"
    for order in ([*argv, "--seed", "4", "--schedule.batch_size=6"], ["--schedule.batch_size=6", *argv, "--seed=4"]):
        changed = parse_arguments(EncoderArguments, order)
        assert (changed.seed, changed.cpu_threads) == (4, 2)
    assert parse_arguments(EncoderArguments, [*argv, "--schedule.batch_size=6"]).schedule.batch_size == 6
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(to_yaml(arguments))
    assert "include" not in resolved.read_text()
    assert parse_arguments(EncoderArguments, [f"--config={resolved}"]) == arguments
    assert [path.name for path in read_yaml(argv[1]).files] == ["top.yaml", "a.yaml", "base.yaml", "b.yaml"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"top": "learning_rte: 1\n"}, r"top\.yaml: unknown key learning_rte; known are run_folder, "),
        (
            {"top": "include: part.yaml\n", "part": "schedule: {stepz: 1}\n"},
            r"part\.yaml: unknown key schedule\.stepz;",
        ),
        (
            {"top": "include: part.yaml\n", "part": "stages:\n- {nam: a}\n"},
            r"part\.yaml: unknown key stages\[0\]\.nam;",
        ),
        ({"top": "include: top.yaml\n"}, r"top\.yaml: include: .*top\.yaml includes this file again"),
        ({"top": "include: part.yaml\n", "part": "include: top.yaml\n"}, r"part\.yaml: include: .*top\.yaml includes this"),
        ({"top": "include: none.yaml\n"}, r"top\.yaml: include: .*none\.yaml: cannot be read"),
        ({"top": "include: {a: b}\n"}, r"top\.yaml: include: \{'a': 'b'\}; give a file name or a list"),
        ({"top": "seed: 1\nseed: 2\n"}, r"top\.yaml: key seed stands twice"),
        ({"top": "seed: [\n"}, r"top\.yaml: not YAML"),
        ({"top": "include: part.yaml\n", "part": "seed: -1\n" + REQUIRED}, r"seed is -1; give a whole number, 0 to"),
    ],
)
def test_a_bad_file_is_named_with_its_key(files: Callable, texts: dict[str, str], message: str) -> None:
    with pytest.raises(SpatialLLMError, match=message):
        parse_arguments(EncoderArguments, files(**texts))


def test_a_value_of_the_wrong_type_names_the_included_file(files: Callable, capsys: pytest.CaptureFixture) -> None:
    argv = files(top="include: part.yaml\n", part=REQUIRED.replace("1.0e-3", "fast"))
    with pytest.raises(SystemExit):
        parse_arguments(EncoderArguments, argv)
    said = capsys.readouterr().err
    assert "part.yaml: " in said and '"schedule.learning_rate"' in said


def test_published_size_is_bats() -> None:
    arguments = parse_arguments(BatArguments, ["--config", str(RECIPES / "spatialsoundqa_single_stage.yaml")])
    assert projector_config(arguments.projector).to_dict() == QFormerProjectorConfig().to_dict()
    assert (arguments.lora.rank, arguments.lora.alpha, arguments.lora.target_modules) == (8, 32, ["q_proj", "v_proj"])
    stages = parse_arguments(BatArguments, ["--config", str(RECIPES / "spatialsoundqa_multi_stage.yaml")])
    assert [stage.types for stage in stages.stages] == [["A", "B"], ["A", "B", "C", "D"], ["A", "B", "C", "D", "E"]]
    assert (stages.schedule.epochs, stages.schedule.warmup_fraction * stages.schedule.epochs) == (5, 1)
    # On eight GPUs: the steps of the released recipe (21,780, 40,215, 68,145), which leaves out each epoch's last batch.
    for samples, steps in ((278_784, 21_780), (514_784, 40_215 + 5), (872_312, 68_145 + 5)):
        assert stages.schedule.optimizer_steps(samples, processes=8) == steps


@pytest.mark.parametrize("path", LANGUAGE_MODELS, ids=lambda path: path.stem)
def test_a_language_model_is_a_second_config(path: Path) -> None:
    base = RECIPES / "spatialsoundqa_single_stage.yaml"
    arguments = parse_arguments(BatArguments, ["--config", str(base), "--config", str(path)])
    given = yaml.safe_load(path.read_text())
    assert arguments.language_model == given["language_model"] in KNOWN
    assert vars(arguments.lora) == given["lora"]
    with torch.device("meta"):
        config = KNOWN[arguments.language_model]()
        language_model = language_model_class(config).from_config(config)
        inject_lora(language_model, vars(arguments.lora))  # its targets are there


def test_a_config_of_an_earlier_version_is_told_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "questions.yaml"
    path.write_text("writing:\n  questions: {limit: 3, azimuth: 2}\n")
    with pytest.raises(SpatialLLMError, match=r"key .*azimuth; families stand under `ask` now, as in ask: \{azimuth: 1"):
        parse_arguments(Writing, ["--config", str(path)])
    path.write_text("writing:\n  questions: {limit: 3, ask: {azimuth: 2}}\n")
    arguments = parse_arguments(Writing, ["--config", str(path), "--writing.questions.ask.azimuth", "3"])
    assert arguments.writing.questions.ask == {"azimuth": 3}


def test_what_is_needed_is_named_as_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(BatArguments, [])
    assert "error: needed, and not given: --run_folder" in capsys.readouterr().err
