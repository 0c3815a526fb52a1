"""List what a model hears in a recording of any length: every window with its start.

    spatial-llm timeline recording.wav --out runs/timeline
    spatial-llm timeline recording.wav "What sound events can you hear in the audio clip?" --out runs/timeline --hop_s 0.5

Writes timeline.jsonl (a line a window, as it is heard; a listing that was stopped goes on), timeline.md and timeline.png to
the folder --out, and prints the table. Of a model that tells events it also writes those, merged over the windows and
followed in direction: events.jsonl, and events.csv as DCASE's frame labels with the names of their classes in classes.txt.
WAV, AIFF and FLAC of a day take no more memory than one of a minute.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from spatial_llm.commands.arguments import Parser, add_microphone, microphone_of

MODEL = "tiny"


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("timeline", script or __doc__, intermixed=True)
    parser.add_argument("file", help="the recording")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help="asked about every window; default: none")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where to write the timeline")
    parser.add_argument(
        "--model", metavar="FOLDER", default=MODEL, help=f"saved SpatialLLM; default {MODEL}, of the package"
    )
    parser.add_argument("--hop_s", type=float, help="seconds from window to window; default: half a window")
    parser.add_argument("--quiet_dbfs", type=float, default=-60.0, help="quieter windows are not answered (default -60)")
    parser.add_argument("--level_dbfs_at_1m", type=float, metavar="DBFS", help="level of the recording, as of ask")
    add_microphone(parser)
    arguments = parser.parse_args(argv)
    microphone = microphone_of(arguments)

    from spatial_llm.audio.io import check_file
    from spatial_llm.audio.limits import AudioLimits
    from spatial_llm.files import check_place, write_text

    check_file(
        arguments.file, microphone.get("format"), AudioLimits(max_seconds=float("inf"), max_bytes=2**50)
    )  # read in blocks
    out = Path(arguments.out)
    check_place(out, folder=True)

    from spatial_llm import SpatialLLM
    from spatial_llm.jsonl import write_jsonl
    from spatial_llm.model.timeline_events import write_heard_labels

    model = SpatialLLM.from_pretrained(arguments.model)
    options = {name: getattr(arguments, name) for name in ("hop_s", "quiet_dbfs", "level_dbfs_at_1m")}
    options |= microphone
    options["out"] = out / "timeline.jsonl"
    found = model.timeline(os.fspath(arguments.file), arguments.questions, **options)
    write_text(out / "timeline.md", found.table())
    found.plot(out / "timeline.png")
    if model.heads is not None:
        events = found.events()
        line = {"recording": Path(arguments.file).stem, "events": [event.to_dict() for event in events]}
        write_jsonl(out / "events.jsonl", [line])
        classes = write_heard_labels(events, out / "events.csv")
        write_text(out / "classes.txt", "".join(f"{label}\n" for label in classes))
    print(f"{found.table()}\nwritten: {out}")
