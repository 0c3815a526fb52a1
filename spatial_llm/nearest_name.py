"""The known name that a mistyped one is nearest to, for error messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Returns "; did you mean X?" with the nearest of the known names, "" if none is near.

    Names are also compared without what stands before their last dot or slash, so that "--stepz" finds "--schedule.steps"
    and "bat" finds "demo_train/bat"; the whole name wins.
    """
    whole, short = dict.fromkeys(known), dict[str, str]()
    for name in whole:
        short.setdefault(_last_part(name), name)
    near = difflib.get_close_matches(given, whole, n=1, cutoff=0.6)
    if not near:
        near = [short[part] for part in difflib.get_close_matches(_last_part(given), short, n=1, cutoff=0.7)]
    return f"; did you mean {near[0]}?" if near else ""


def _last_part(name: str) -> str:
    last = name.replace("/", ".").rpartition(".")[2]
    return f"--{last}" if name.startswith("--") and not last.startswith("--") else last
