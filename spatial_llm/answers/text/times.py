"""Finds times in a text: the numbers of "1.2 s", "at 3 seconds", "1.1 to 2.4 s" and "between 1 and 2.5 s".

A time is a number with "s", "sec" or "seconds" after it, and the first end of a span whose last end has the unit. Distances
("2.5m"), angles, clock times ("0:45") and numbers with a sign are no times. The kinds `duration`, `span` and `timed_caption`
write their times in these forms.
"""

import re

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_SECONDS = r"(?:s|secs?|seconds?)(?![\w/^])"
_TIMES = re.compile(
    rf"(?<![\w.,:+\u2212-])"
    rf"(?:(?:(?<=between )({_NUMBER})(?: ?{_SECONDS})? and |({_NUMBER})(?: ?{_SECONDS})?(?: (?:to|until) | ?[-\u2013] ?)))?"
    rf"({_NUMBER}) ?{_SECONDS}",
    re.IGNORECASE,
)


def find_times(text: str) -> list[tuple[int, int]]:
    """Returns (start, end) of each number of seconds in a text, in order, without its unit."""
    return [found.span(group) for found in _TIMES.finditer(text) for group in (1, 2, 3) if found[group] is not None]
