"""requirements.lock fits setup.cfg: every requirement has a pin in its range, for every Python that is promised.

The lock also says for which requirements it was written. `make lock` mends what is found here.
"""

import configparser
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
ADVICE = "run `make lock`"


def asked() -> list[Requirement]:
    """What `make install` installs for: the package's requirements and the extra `dev`."""
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    lines = settings["options"]["install_requires"].splitlines() + settings["options.extras_require"]["dev"].splitlines()
    return [Requirement(line) for line in lines if line.strip()]


def pins(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if re.match(r"[a-z0-9]", line)]


def pinned(text: str, python: str, system: str = "linux") -> dict[str, Version]:
    """The version of every package that the lock gives to this Python."""
    where = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_machine": "x86_64",
    }
    found = {}
    for line in pins(text):
        if line.marker is None or Marker(str(line.marker)).evaluate(where):
            (only,) = line.specifier
            assert only.operator == "==" and canonicalize_name(line.name) not in found, f"{line}: one exact version each"
            found[canonicalize_name(line.name)] = Version(only.version)
    return found


def asked_when_written(text: str) -> set[str]:
    """The packages that the lock's own remarks say setup.cfg asked for."""
    found, package = set(), ""
    for line in text.splitlines():
        if re.match(r"[a-z0-9]", line):
            package = re.split(r"[=; ]", line)[0]
        elif "spatial-llm (setup.cfg)" in line:
            found.add(canonicalize_name(package))
    return found


def misfits(requirements: list[Requirement], text: str) -> list[str]:
    """Sentences about where the lock and the requirements part."""
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    found = [f"{name} is no longer asked for" for name in sorted(asked_when_written(text) - names)]
    found += [f"{name} was not asked for when the lock was written" for name in sorted(names - asked_when_written(text))]
    for python in PYTHONS:
        versions = pinned(text, python)
        for requirement in requirements:
            version = versions.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                found.append(f"{requirement} on Python {python}: pinned is {version}")
    return found


LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_fits_setup_cfg():
    assert misfits(asked(), LOCK) == [], ADVICE


def test_the_comparison_sees_what_does_not_fit():
    via = "\n    # via spatial-llm (setup.cfg)\n"
    given = f"torch==2.14.1{via}old==1.0{via}lone==1\n    # via torch\n"
    wrong = misfits([Requirement("torch>=2.15"), Requirement("fresh>=1")], given)
    assert "old is no longer asked for" in wrong and "fresh was not asked for when the lock was written" in wrong
    assert "torch>=2.15 on Python 3.12: pinned is 2.14.1" in wrong and "fresh>=1 on Python 3.11: pinned is None" in wrong
    assert misfits([Requirement("torch>=2.12,<2.16"), Requirement("old")], given) == []


def test_every_python_promised_is_in_setup_cfg():
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    assert settings["options"]["python_requires"] == f">={PYTHONS[0]},<3.{int(PYTHONS[-1].split('.')[1]) + 1}"
    assert re.findall(r"Python :: (3\.\d+)", settings["metadata"]["classifiers"]) == list(PYTHONS)


def test_what_is_installed_brings_nothing_that_the_lock_leaves_out():
    """Walks the requirements of the installed distributions, as deep as they go."""
    versions = pinned(LOCK, f"{PYTHONS[0]}")
    direct = {canonicalize_name(requirement.name) for requirement in asked()}
    if any(Version(metadata.version(name)) != versions[name] for name in direct):
        pytest.skip("this environment holds other versions than the lock: NEWEST=1, test-oldest or installed by hand")
    everything = {canonicalize_name(requirement.name) for requirement in pins(LOCK)}
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(r.name), extra) for r in asked() for extra in ("", *r.extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        assert name in everything, f"{name} is installed and not in requirements.lock: {ADVICE}"
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), given) for given in ("", *needed.extras)]
    assert len(seen) > 60
