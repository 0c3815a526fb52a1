"""Parses and writes a time of the recording, in seconds from its beginning: "3.2 s"."""

from spatial_llm.answers.kind import keyed
from spatial_llm.answers.kinds.duration import format_seconds, parse_seconds

KIND = keyed("moment", "time_s", parse_seconds, format_seconds)
