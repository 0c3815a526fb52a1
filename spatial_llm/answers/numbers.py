"""Numbers with their units: degrees, hours of the clock, counts, seconds, ranges of reverberation time.

Peculiar: the number must be the only one of the text, and directly before its unit. Angles are signed as everywhere here
(azimuth positive to the left, elevation positive upwards); a direction word takes the place of the sign, beside a sign
it makes the text unreadable.
"""

import math
import re
from itertools import islice

from spatial_llm.answers.axes import AXIS_OF_WORD, Reading, is_lenient
from spatial_llm.answers.lenient import amounts, directions
from spatial_llm.answers.places import format_number
from spatial_llm.errors import SpatialLLMError

LONGEST_S = 86_400.0  # a day; see `places.FARTHEST_M`
_NUMBER = re.compile(r"[-+\u2212]?[0-9]+(?:[.,][0-9]+)*")
_PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"\w+")
_DEGREES = re.compile(r"\s*(?:°|deg(?:rees?)?(?!\w))")
_SECONDS = re.compile(r"\s*(?:s|secs?|seconds?)(?![\w/^])")
_CLOCK = re.compile(r"\s*o\s*['\u2019]?\s*clock(?!\w)")
_RANGE = re.compile(
    r"(?:(?P<below>below|under|less than) (?P<high>[0-9.]+)|(?P<above>above|over|more than) (?P<low>[0-9.]+)"
    r"|(?:between )?(?P<first>[0-9.]+)(?: ?s)? ?(?:to|and|-|\u2013) ?(?P<last>[0-9.]+)) ?(?:s|seconds?)"
)
_SIGN_WORD = re.compile(r"(?:minus|negative|plus|positive)\s*\Z")
_COUNT_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_SIGN_OF_AZIMUTH = {"left": 1.0, "right": -1.0}
_SIGN_OF_ELEVATION = {"above": 1.0, "up": 1.0, "below": -1.0, "down": -1.0}
_DIRECTION_WORDS = {*AXIS_OF_WORD, "up", "down"}


def format_degrees(angle_deg: float, most: float = 180) -> str:
    """Degrees to "-35 degrees". Raises SpatialLLMError beyond -most or most, or if not finite."""
    if not -most <= angle_deg <= most:
        raise SpatialLLMError(f"angle_deg is {angle_deg}; give {-most} to {most}.")
    return format_number(angle_deg) + " degrees"


def parse_azimuth(text: str, reading: Reading = "strict") -> float | None:
    """The one azimuth in degrees in (-180, 180], positive to the left: "-35 degrees", "35 degrees to the right".

    Lenient: also beside other numbers, in words, and by its name: "azimuth -35, elevation 10".
    """
    lenient = is_lenient(reading)
    azimuth_deg = None if "clockwise" in text.lower() else _angle(text, _SIGN_OF_AZIMUTH, 180)  # it has a sign of its own
    if lenient or azimuth_deg is not None:
        azimuth_deg = directions.read_azimuth(text, azimuth_deg)
    return 180.0 if azimuth_deg == -180 else azimuth_deg


def parse_elevation(text: str, reading: Reading = "strict") -> float | None:
    """The one elevation in degrees in [-90, 90], positive upwards: "-20 degrees", "20 degrees below". Lenient: as
    `parse_azimuth`."""
    lenient = is_lenient(reading)
    elevation_deg = _angle(text, _SIGN_OF_ELEVATION, 90)
    return directions.read_elevation(text, elevation_deg) if lenient or elevation_deg is not None else None


def format_clock(hour: int) -> str:
    """An hour to "2 o'clock". Raises SpatialLLMError on anything but 1 to 12."""
    if hour not in range(1, 13):
        raise SpatialLLMError(f"hour is {hour}; give 1 to 12.")
    return f"{hour} o'clock"


def parse_clock(text: str, reading: Reading = "strict") -> int | None:
    """The one hour of the clock, 1 to 12, in digits or as a word: "2 o'clock", "two o'clock". Lenient: also beside other
    numbers."""
    lenient = is_lenient(reading)
    found = _one_integer(text)
    hour = found[0] if found and 1 <= found[0] <= 12 and _CLOCK.match(found[1]) else None
    return amounts.read_clock(text, hour) if lenient or hour is not None else None


def format_count(count: int) -> str:
    """A count to "3". Raises SpatialLLMError if negative."""
    if count < 0:
        raise SpatialLLMError(f"count is {count}; give 0 or more.")
    return str(count)


def parse_count(text: str, reading: Reading = "strict") -> int | None:
    """The one whole number of the text, in digits or as a word up to twelve: "3", "There are three sounds.".

    Lenient: larger numbers in words, "no sounds", "a single sound", and a number of sounds beside others.
    """
    lenient = is_lenient(reading)
    found = _one_integer(text)
    count = None if found is None else found[0]
    return amounts.read_count(text, count) if lenient or count is not None else None


def format_seconds(time_s: float) -> str:
    """Seconds to "3.2 s". Raises SpatialLLMError if negative or not finite."""
    if not 0 <= time_s <= LONGEST_S:
        raise SpatialLLMError(f"time_s is {time_s}; give seconds, 0 to {LONGEST_S:g}.")
    return format_number(time_s) + " s"


def parse_seconds(text: str, reading: Reading = "strict") -> float | None:
    """The one time of the text, in seconds: a number without sign, and s, sec(s) or second(s).

    Lenient: also milliseconds and minutes, numbers in words, and "0:03".
    """
    lenient = is_lenient(reading)
    found = _one_number(text)
    time_s = found[0] if found and not found[2] and _SECONDS.match(found[1]) else None
    read_s = amounts.read_seconds(text, time_s) if lenient or time_s is not None else None
    return None if read_s is None or read_s > LONGEST_S else read_s


def format_rt60_range(range_s: tuple[float, float | None]) -> str:
    """A range of seconds to "below 0.3 s" (from 0), "0.3 to 0.6 s", or "above 0.6 s" (to None). Raises SpatialLLMError
    unless 0 <= lowest < highest."""
    low, high = range_s
    if (
        not (math.isfinite(low) and low >= 0)
        or (high is None and low == 0)
        or (high is not None and not low < high < math.inf)
    ):
        raise SpatialLLMError(f"range_s is {range_s}; give [lowest, highest] with 0 <= lowest < highest, or a None above.")
    if high is None:
        return f"above {format_seconds(low)}"
    return f"below {format_seconds(high)}" if low == 0 else f"{format_number(low)} to {format_seconds(high)}"


def parse_rt60_range(text: str, reading: Reading = "strict") -> list[float | None] | None:
    """[lowest, highest] in seconds of a text that is a range and nothing else; [0, x] for "below x s", [x, None] for
    "above x s". Lenient: the one range inside a sentence, also in milliseconds, and "x s or less"."""
    lenient = is_lenient(reading)
    range_s = _range(text)
    return amounts.read_rt60_range(text) if range_s is None and lenient else range_s


def _range(text: str) -> list[float | None] | None:
    found = _RANGE.fullmatch(" ".join(text.lower().split()).removesuffix("."))
    if found is None:
        return None
    ends = [found["low"] or found["first"] or "0", found["high"] or found["last"]]
    if any(end is not None and not _PLAIN.fullmatch(end) for end in ends):
        return None
    low, high = (None if end is None else float(end) for end in ends)
    if high is None:
        return [low, None] if 0 < low < math.inf else None
    return [low, high] if low < high < math.inf else None


def _angle(text: str, sign_of: dict[str, float], most: float) -> float | None:
    found = _one_number(text)
    words = [word for word in _WORD.findall(text.lower()) if word in _DIRECTION_WORDS]
    if found is None or not _DEGREES.match(found[1]) or abs(found[0]) > most:
        return None
    value, _, signed = found
    if words:
        return value * sign_of[words[0]] if len(words) == 1 and words[0] in sign_of and not signed else None
    return value


def _one_number(text: str) -> tuple[float, str, bool] | None:
    """(value, what follows, has a sign) of the only number of the text; None if it is not a plain one, or a name's part."""
    text = text.lower()
    matches = list(islice(_NUMBER.finditer(text), 2))
    if len(matches) != 1:
        return None
    number = matches[0][0].replace("\u2212", "-")
    before, value = text[matches[0].start() - 1 : matches[0].start()], _PLAIN.fullmatch(number) and float(number)
    if value is None or not math.isfinite(value) or re.match(r"[\w.,+\u00b1]", before):
        return None
    if _SIGN_WORD.search(text, 0, matches[0].start()):
        return None
    return value + 0.0, text[matches[0].end() :], number[0] in "-+"


def _one_integer(text: str) -> tuple[int, str] | None:
    """(value, what follows) of the only whole number of the text, in digits or as a word."""
    text = text.lower()
    words = [match for match in _WORD.finditer(text) if match[0] in _COUNT_WORDS]
    if len(words) == 1 and not _NUMBER.search(text):
        return _COUNT_WORDS.index(words[0][0]), text[words[0].end() :]
    found = _one_number(text)
    if words or found is None or found[2] or not found[0].is_integer() or found[0] >= 1e9 or re.match(r"\w", found[1]):
        return None
    return int(found[0]), found[1]
