"""Task files: every shipped one is read, what is wrong is said with file and key, and the hash is that of the content."""

import shutil

import pytest
import yaml

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.benchmarks import BENCHMARKS
from spatial_llm.evaluation.metrics import PROTOCOLS
from spatial_llm.evaluation.predicting.tasks import Task, read_task
from tests.evaluation.fixtures_tasks import TASKS

SHIPPED = sorted(TASKS.glob("*.yaml"))
STANDING = ("no_audio", "other_audio", "ears_swapped", "ears_equal")


@pytest.fixture
def task_file(tmp_path):
    """Writes ours.yaml with other values and returns its path; None takes a key out."""
    shutil.copytree(TASKS / "common", tmp_path / "common")
    content = yaml.safe_load((TASKS / "ours.yaml").read_text())

    def write(**changes):
        changed = {key: value for key, value in (content | changes).items() if value is not None}
        path = tmp_path / "ours.yaml"
        path.write_text(yaml.safe_dump(changed, sort_keys=False))
        return path

    return write


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_task_is_read_and_called_as_its_file(path):
    task = read_task(path)
    assert task.name == path.stem and task.version == len(task.changes)
    assert task.controls == STANDING, "they are in every report"
    assert set(task.protocols) <= {*PROTOCOLS, *(each.protocol for each in BENCHMARKS.values())}


def test_every_shared_part_is_used_and_holds_no_task_of_its_own():
    included = {name for path in SHIPPED for name in yaml.safe_load(path.read_text())["include"]}
    assert {f"common/{path.name}" for path in (TASKS / "common").iterdir()} <= included
    for path in (TASKS / "common").iterdir():
        with pytest.raises(SpatialLLMError, match="field is missing"):
            read_task(path)


def test_the_shipped_tasks_say_what_the_published_protocols_do():
    greedy, beams, ours = (read_task(TASKS / f"{n}.yaml") for n in ("spatialsoundqa", "spatialsoundqa_beam4", "ours"))
    assert (greedy.decoding.num_beams, beams.decoding.num_beams) == (1, 4)
    assert {task.decoding.max_new_tokens for task in (greedy, beams, ours)} == {200}
    assert greedy.responses == beams.responses == "official_bat" and ours.responses == "as_recorded"
    assert (greedy.questions.format, ours.questions.format) == ("spatialsoundqa", "manifest")
    differ = {key for key, value in greedy.to_dict().items() if beams.to_dict()[key] != value}
    assert differ == {"name", "changes", "decoding"}, "nothing else between the two"


def test_include_is_overridden_by_later_files_and_by_the_file_itself(task_file, tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\nresamples: 11\ndecoding: {num_beams: 2}\n")
    (tmp_path / "b.yaml").write_text("include: a.yaml\nseed: 2\ndecoding: {max_new_tokens: 7}\n")
    path = task_file(include=["common/scoring.yaml", "b.yaml"], decoding={"max_new_tokens": 8})
    task = read_task(path)
    assert (task.seed, task.resamples) == (2, 11)
    assert (task.decoding.num_beams, task.decoding.max_new_tokens) == (2, 8), "mappings are merged key by key"
    assert task.controls == STANDING
    assert read_task(task_file(include=["common/scoring.yaml", "b.yaml"], controls=[])).controls == (), "lists are replaced"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 1}, r"ours\.yaml: temperature: unknown field; given '1'"),
        ({"decoding": {"beams": 4}}, r"ours\.yaml: decoding\.beams: unknown field"),
        ({"decoding": {"num_beams": "4"}}, r"ours\.yaml: decoding\.num_beams: Input should be a valid integer"),
        ({"decoding": {"num_beams": 0}}, r"ours\.yaml: decoding\.num_beams is 0; expected 1 \(greedy\) or more"),
        ({"decoding": {"max_new_tokens": 0}}, r"ours\.yaml: decoding\.max_new_tokens is 0"),
        ({"name": None}, r"ours\.yaml: name: field is missing"),
        ({"name": "a/b"}, r"ours\.yaml: name is 'a/b'; expected letters"),
        ({"version": 9}, r"ours\.yaml: changes is .*expected one line a version, 9"),
        ({"version": 0, "changes": []}, r"ours\.yaml: version is 0"),
        ({"version": 1, "changes": [" "]}, r"ours\.yaml: changes is .*not empty"),
        ({"prompt": "Answer!"}, r"ours\.yaml: prompt is 'Answer!'; expected a text that holds \{question\} once"),
        ({"questions": {"format": "wav"}}, r"ours\.yaml: questions\.format: Input should be 'manifest'"),
        ({"questions": {"format": "manifest", "sha256": "abc"}}, r"ours\.yaml: questions\.sha256 is 'abc'; expected 64"),
        ({"reading": "kind"}, r"ours\.yaml: reading: Input should be 'strict' or 'lenient'"),
        ({"protocols": ["own"]}, r"ours\.yaml: protocols\[0\]: Input should be 'bat'"),
        ({"protocols": []}, r"ours\.yaml: protocols is \[\]; expected one protocol or more"),
        ({"responses": "any"}, r"ours\.yaml: responses: Input should be 'as_recorded'"),
        ({"controls": ["silence"]}, r"ours\.yaml: controls\[0\]: Input should be 'no_audio'"),
        ({"controls": ["no_audio", "no_audio"]}, r"ours\.yaml: controls is .*each control once"),
        ({"control_recordings": 0}, r"ours\.yaml: control_recordings is 0; expected 1 or more, or null"),
        ({"resamples": 0}, r"ours\.yaml: resamples is 0"),
        ({"embedding": ""}, r"ours\.yaml: embedding is ''"),
        ({"seed": -1}, r"ours\.yaml: seed is -1"),
        ({"include": 3}, r"ours\.yaml: include: 3; give a file name"),
        ({"include": ["common/none.yaml"]}, r"ours\.yaml: include: .*none\.yaml: cannot be read"),
        ({"include": ["/etc/passwd"]}, r"ours\.yaml: include: /etc/passwd is absolute"),
        ({"include": ["ours.yaml"]}, r"ours\.yaml: include: .*ours\.yaml includes this file again"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_with_file_and_key(task_file, changes, message):
    with pytest.raises(SpatialLLMError, match=message):
        read_task(task_file(**changes))


def test_an_included_file_is_named_for_its_own_keys(task_file, tmp_path):
    (tmp_path / "part.yaml").write_text("reading: kind\n")
    with pytest.raises(SpatialLLMError, match=r"part\.yaml: reading: Input should be"):
        read_task(task_file(include=["common/scoring.yaml", "common/decoding_greedy.yaml", "part.yaml"]))
    (tmp_path / "part.yaml").write_text("resamples: 0\n")
    with pytest.raises(SpatialLLMError, match=r"part\.yaml: resamples is 0"):
        read_task(task_file(include=["common/scoring.yaml", "common/decoding_greedy.yaml", "part.yaml"]))
    (tmp_path / "part.yaml").write_text("include: other.yaml\n")
    (tmp_path / "other.yaml").write_text("include: part.yaml\n")
    with pytest.raises(SpatialLLMError, match=r"other\.yaml: include: .*part\.yaml includes this file again"):
        read_task(task_file(include="part.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: ours\nname: other\n", "key name stands twice"),
        ("decoding: {num_beams: 1, num_beams: 4}\n", "key num_beams stands twice"),
        ("name: [\n", "not YAML"),
        ("- name\n", "expected keys with values"),
        ("3: name\n", "expected keys with values"),
        ("", "expected keys with values"),
        ("name: 2026-11-21\n", "write dates and numbers that are text in quotes"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, text, message):
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(SpatialLLMError, match=message) as error:
        read_task(path)
    assert "t.yaml" in str(error.value)


def test_hash_is_of_the_content_not_of_the_files(task_file, tmp_path):
    whole = tmp_path / "whole.yaml"
    whole.write_text(yaml.safe_dump(read_task(task_file()).to_dict()))
    now = read_task(TASKS / "ours.yaml")
    assert read_task(whole).sha256 == now.sha256
    seen = {read_task(task_file()).sha256}
    others = {
        "name": "mine", "version": 9, "changes": ["other words"] * now.version, "questions": {"format": "spatialsoundqa"},
        "prompt": "Q: {question}", "decoding": {"num_beams": 2}, "reading": "lenient", "protocols": ["bat"],
        "embedding": "x", "responses": "official_bat", "controls": [], "control_recordings": 3, "resamples": 9, "seed": 5,
    }  # fmt: skip
    assert set(others) == set(Task.__dataclass_fields__)
    for key, value in others.items():
        changed = {key: value} | ({"changes": ["a line"] * 9} if key == "version" else {})
        seen.add(read_task(task_file(**changed)).sha256)
    assert len(seen) == len(others) + 1, "every key is part of the hash"


def test_override_checks_as_the_file_does():
    task = read_task(TASKS / "ours.yaml")
    changed = task.override({"decoding.num_beams": 4, "controls": ["no_audio"], "control_recordings": None})
    assert (changed.decoding.num_beams, changed.controls, changed.control_recordings) == (4, ("no_audio",), None)
    assert changed.decoding.max_new_tokens == task.decoding.max_new_tokens
    with pytest.raises(SpatialLLMError, match="no key 'beams'"):
        task.override({"beams": 4})
    with pytest.raises(SpatialLLMError, match=r"as overridden: decoding\.num_beams is 0"):
        task.override({"decoding.num_beams": 0})


def test_prompt_is_filled_whatever_the_question_holds():
    task = read_task(TASKS / "ours.yaml").override({"prompt": "Q: {question}\nA {word}:"})
    assert task.ask("What is {x} or {question}?") == "Q: What is {x} or {question}?\nA {word}:"


def test_a_path_stays_as_written(task_file):
    task = read_task(task_file(questions={"format": "manifest", "path": "a/b.jsonl"}))
    assert task.questions.path == "a/b.jsonl", "relative to the current folder, not to the file"
