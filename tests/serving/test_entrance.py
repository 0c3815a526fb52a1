"""Each file of `entrance.csv` comes to the outcome that stands there, at every door, in bounded time and memory."""

import json
import re

import pytest

from tests.audio.apart import run_apart
from tests.audio.hostile import REFUSED, WARNED, cases
from tests.serving.entrance import DOORS, rows

OTHER_FORMAT = "give the format that it has|in base64, without a prefix"


def test_the_table_names_70_different_files_that_are_made():
    made, names = {case.name for case in cases()}, [row["file"] for row in rows()]
    assert len(names) == len(set(names)) == 70 and set(names) <= made
    assert {row["server"] for row in rows()} == {"200", "400", "422", "-"}


@pytest.mark.slow
def test_every_file_has_its_outcome_at_every_door(tmp_path):
    done = run_apart("tests.serving.entrance", tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    print({name: report[name] for name in ("slowest_s", "memory_mb")})
    wanted = {row["file"]: {door: row[door] for door in DOORS} for row in rows()}
    assert {file: {door: found[door][0] for door in DOORS} for file, found in report["found"].items()} == wanted
    for case in (case for case in cases() if case.name in wanted):
        outcome, words = report["found"][case.name]["server"]
        if case.outcome == REFUSED and outcome != "-":
            assert re.search(f"{case.words}|{OTHER_FORMAT}", words), words
        if case.outcome == WARNED:
            assert re.search(case.words, words), words
    assert report["slowest_s"] < 5
    memory = report["memory_mb"]
    # Nothing here holds more than a few seconds of sound: what is larger is refused before it is decoded.
    assert max(memory["grown"].values()) < 200 and max(memory["readers"]) < 200
