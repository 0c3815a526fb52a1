"""The documents: every link leads somewhere, and the code of the front page prints what stands below it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.cli import main as run_command
from spatial_llm.data.importing.run import ImportArguments, import_recordings
from spatial_llm.data.records import read_manifest, record_from_dict
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.types import QUESTION_TYPES, parse_value

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = (".", "docs", "recipes", "data", "eval")
PAGES = [page for folder in FOLDERS for page in sorted((REPOSITORY / folder).glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(path), f"{page.name} links to {target}"


def test_files_that_the_architecture_names_are_there():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/]+\.(?:py|yaml|cfg))`", text) if "/" in name}
    assert len(named) > 20
    missing = {name for name in named if not any((REPOSITORY / top / name).exists() for top in ("", "spatial_llm"))}
    assert missing == set()


def test_the_code_of_the_front_page_prints_what_it_says():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL).groups()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == printed


def test_the_example_of_several_encoders_runs(tmp_path):
    text = (REPOSITORY / "docs" / "use.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(from spatial_llm import ParallelEncoder.*?)```", text, re.DOTALL)[1]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "encoders[1] (audio-spectrogram-transformer) hears each ear alone" in ran.stdout
    assert {"config.json", "model.safetensors", "seal.json", "preprocessor_config.json"} <= {
        file.name for file in (tmp_path / "runs" / "two_encoders").iterdir()
    }


def test_the_example_of_captions_with_times_prints_what_it_says():
    text = (REPOSITORY / "docs" / "metrics_of_events.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == re.search(r"print\(text\)  # (.*)", code)[1]


@pytest.mark.slow
def test_the_examples_of_conversations_run():
    text = (REPOSITORY / "docs" / "use.md").read_text(encoding="utf-8")
    part = text[text.index("## Conversations") : text.index("## Recordings longer")]
    code = "\n".join(re.findall(r"```python\n(.*?)```", part, re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "clapping" and lines[1].startswith("left, front, above; 3m")
    assert lines[-1].strip() == "left, front, above; 3m"


def test_the_table_of_own_recordings_is_imported_as_the_page_says(tmp_path):
    page = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    table = re.search(r"```\n(audio,question,answer.*?)```", page, re.DOTALL)[1]
    (tmp_path / "my.csv").write_text(table, encoding="utf-8")
    for source, name in (("one_source", "bell.wav"), ("one_source_behind", "pump.flac")):
        samples, rate = soundfile.read(REPOSITORY / "spatial_llm" / "shipped" / "recordings" / f"{source}.flac")
        soundfile.write(tmp_path / name, samples, rate)
    summary = import_recordings(ImportArguments(str(tmp_path / "my.csv"), str(tmp_path / "data")))
    types = [counts["types"] for counts in summary.values()]
    assert sorted(name for each in types for name in each) == ["AZIMUTH_DEG", "DOA", "OPEN"]


def test_the_table_of_annotations_is_imported_as_the_page_says(tmp_path, monkeypatch, capsys):
    page = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    table = re.search(r"```\n(file,start,end.*?)```", page, re.DOTALL)[1]
    (tmp_path / "my.csv").write_text(table, encoding="utf-8")
    for name, seconds in (("yard/scene1.wav", 7), ("hall/scene2.wav", 4)):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, (seconds * 16000, 4)), 16000)
    monkeypatch.chdir(tmp_path)
    command = re.search(r"^spatial-llm (import-table .*)$", page, re.MULTILINE)[1]
    assert run_command(command.split()) == 0
    told = json.loads((tmp_path / "DATA" / "import.json").read_text())["splits"]
    assert set(told) == {"train", "eval"} and "written: DATA/train.jsonl" in capsys.readouterr().out
    sounds = [record.known.sounds for split in told for record in read_manifest(tmp_path / "DATA" / f"{split}.jsonl")]
    assert HeardSource("bell", 40.0, 10.0, 2.1, 0.5, 2.5) in [sound for each in sounds for sound in each]


def test_the_lines_of_a_manifest_and_the_kinds_of_answers_are_read_as_the_page_says():
    page = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"```json\n(.*?)```", page, re.DOTALL)[1].splitlines()
    records = [record_from_dict(json.loads(line)) for line in lines]
    assert [{"audio", "scene", "pairs"} & set(record.to_dict()) for record in records] == [
        {"audio"}, {"audio"}, {"scene"}, {"pairs"},
    ]  # fmt: skip
    rows = re.findall(r"^\| (`[A-Z]\w*`(?:, `\w+`)*) \| (.*) \| `(\{.*\})` \|$", page, re.MULTILINE)
    types = {name: (answer, truth) for names, answer, truth in rows for name in re.findall(r"\w+", names)}
    assert set(types) == set(QUESTION_TYPES)
    for name, (answer, truth) in types.items():
        assert parse_value(name, answer.replace("\\|", "|")) == json.loads(truth), name
