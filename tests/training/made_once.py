"""What is made once for a whole process of tests: a fixture that other files import is another fixture to pytest there, and
would be made anew for each of them, a language model that trains for ten seconds among it."""

from collections.abc import Callable
from pathlib import Path

_MADE: dict[str, Path] = {}


def made_once(name: str, make: Callable[[], Path]) -> Path:
    """The folder of that name, which is made when it is first asked for. Tests read it, and write nothing into it that
    others could take for theirs."""
    if name not in _MADE:
        _MADE[name] = make()
    return _MADE[name]
