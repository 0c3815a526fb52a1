"""Score lists of events with times and directions: event and segment F1, overlap in time, invented events, tracks.

    python eval/events.py --reference metadata_dev/dev-test-sony --predicted runs/seld/csv --files.data_set starss23-foa \
        --out runs/seld/events

    python eval/events.py --reference runs/demo_train/data/eval.jsonl --predicted runs/captions.jsonl --out runs/events

Either side is a file or a folder: frame labels as DCASE has them (CSV: frame, class, source, azimuth, elevation, distance in
cm), timelines of `spatial-llm timeline`, a manifest (the events of its scenes), lines of JSON with `recording` and either
`events` or `caption`, a caption with times, or predictions.jsonl of eval/predict.py, which is scored on the recordings that
were asked for a caption. Writes into the folder --out: scores.json, and scores.md, the table, also
printed. Intervals are 95 % of bootstrap resamples of the recordings. docs/metrics_of_events.md defines every number.
"""

from dataclasses import dataclass, field
from pathlib import Path

from spatial_llm.door import door
from spatial_llm.evaluation.scoring.event_files import EventFileSettings, read_events
from spatial_llm.evaluation.scoring.event_scores import format_event_scores, score_events
from spatial_llm.files import atomic_files, check_place, write_json, write_text
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments


@dataclass
class EventScoreArguments:
    """Sets what to score.

    Attributes:
        reference: file or folder of the true events.
        predicted: file or folder of the predicted events, of the same recordings.
        out: folder for the results.
        files: how the files of both sides are read.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
    """

    reference: str
    predicted: str
    out: str
    files: EventFileSettings = field(default_factory=EventFileSettings)
    resamples: Count = 1000
    seed: Seed = 0


def main(arguments: EventScoreArguments) -> None:
    check_place(arguments.out, folder=True)
    reference = read_events(arguments.reference, arguments.files, must_parse=True)
    known = {event.label for events in reference.recordings.values() for event in events}
    predicted = read_events(arguments.predicted, arguments.files, known)
    if predicted.answers:
        reference.keep(predicted.recordings)
    report = score_events(reference.recordings, predicted.recordings, arguments.resamples, arguments.seed)
    report |= {
        "files": vars(arguments.files),
        "unparsed_captions": sorted(predicted.unparsed),
        "reference_sha256": reference.sha256,
        "predicted_sha256": predicted.sha256,
        "provenance": provenance(arguments.seed) | {"manifest_sha256": reference.one_sha256()},
    }
    table = format_event_scores(report)
    with atomic_files(Path(arguments.out)) as written:
        write_json(written / "scores.json", report)
        write_text(written / "scores.md", table)
    print(f"scores.json and scores.md are in {arguments.out}")
    if predicted.unparsed:
        unparsed = ", ".join(sorted(predicted.unparsed))
        print(f"{len(predicted.unparsed)} captions could not be parsed and count as no events: {unparsed}")
    print(f"\n{table}", end="")


if __name__ == "__main__":
    with door():
        main(parse_arguments(EventScoreArguments, description=__doc__))
