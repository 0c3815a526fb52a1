"""Score retrieval by an encoder with a text projection: texts find recordings, recordings texts, by sound and by place.

    python eval/retrieve.py --model runs/aligned/model --data runs/demo_train/data/eval.jsonl --out runs/aligned/retrieval

Three things are asked for: the whole scene (sound, direction, distance, time) among all recordings; the sound alone among
all; and the place (direction, distance) among the recordings of the same sound, which differ in nothing else that is named.
Texts are the captions of the scenes themselves. Writes into the folder --out: retrieval.json, and retrieval.md, the table,
also printed: R@1 and R@10 both ways, with intervals, and what chance gives. Cost: one pass of the encoder.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.spatialsoundqa.release import data_root
from spatial_llm.door import door
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.scoring.retrieval import Likeness, format_retrieval_table, score_retrieval
from spatial_llm.files import atomic_files, check_place, sha256_of, write_json, write_text
from spatial_llm.provenance import provenance
from spatial_llm.questions.scene_captions import ASPECTS, DIRECTION, DISTANCE, SOUND, TIME, scene_facts
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.training.encoder.dataset import one_source_recordings
from spatial_llm.training.encoder.scene_texts import sources_of
from spatial_llm.training.encoder.text_space import TextSpace


@dataclass
class RetrieveArguments:
    """Sets what to score.

    Attributes:
        model: folder of an encoder with a text projection: recipes/train_encoder.py with an objective `contrastive` or
            `both`, or `trains: text`.
        data: manifest; its distinct one-source recordings are found, and asked for.
        out: folder for the results.
        manifest_sha256: hash that the manifest must have; None: any.
        sentence_encoder: folder or name of the sentence encoder, if it is not where it was in training.
        audio_root, reverb_root: where AudioSet and the responses of a released data set are, if not beside the manifest.
        audio_limits: how long and large a recording may be, and whether cut files are read.
        batch_size: recordings encoded at once.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
    """

    model: str
    data: str
    out: str
    manifest_sha256: str | None = None
    sentence_encoder: str | None = None
    audio_root: str | None = None
    reverb_root: str | None = None
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    batch_size: Count = 32
    resamples: Count = 1000
    seed: Seed = 0


def likeness(arguments: RetrieveArguments, space: TextSpace) -> dict[str, Likeness]:
    """Returns what is asked for, and how alike texts and recordings are."""
    root = data_root(arguments.data, arguments)
    records = one_source_recordings(arguments.data, root)
    facts = [scene_facts(sources_of(record)) for record in records]
    recordings = space.recordings(records, root, arguments.batch_size)
    timed = [aspect for aspect in ASPECTS if aspect != TIME or all(one[TIME] is not None for one in facts)]
    sounds = np.array([one[SOUND] for one in facts])
    same, every = sounds[:, None] == sounds[None], np.ones((len(records), len(records)), bool)
    asked = {
        "whole": (timed, every, f"{', '.join(timed)} named, among all recordings"),
        "sound": ([SOUND], every, "the sound named, among all recordings"),
        "place": ([DIRECTION, DISTANCE], same, "direction and distance named, among recordings of the same sound"),
    }
    found = {}
    for name, (aspects, among, rule) in asked.items():
        # One text for all channels names the sound too, which is the same for all among which it is to be found.
        named = [SOUND, *aspects] if name == "place" and len(space.projection.views) == 1 else aspects
        queries = space.queries(records, named)
        found[name] = Likeness(space.cosines(queries, recordings), queries.texts, queries.right, among, rule)
    return found


def main(arguments: RetrieveArguments) -> None:
    check_place(arguments.out, folder=True)
    read = sha256_of(arguments.data) if Path(arguments.data).is_file() else None
    if arguments.manifest_sha256 not in (None, read):
        raise ManifestError(f"{arguments.data}: sha256 is {read}, expected {arguments.manifest_sha256}; another manifest.")
    space = TextSpace(arguments.model, arguments.sentence_encoder)
    found = likeness(arguments, space)
    weights = {path.name: sha256_of(path) for path in sorted(Path(arguments.model).glob("*.safetensors"))}
    report = {
        "metrics": score_retrieval(found, arguments.resamples, arguments.seed),
        "recordings": len(found["whole"].texts),
        "sentence_encoder": space.embedder.name,
        "sentence_encoder_sha256": space.embedder.sha256,
        "resamples": arguments.resamples,
        "seed": arguments.seed,
        "provenance": provenance(arguments.seed, arguments.data) | {"model_sha256": weights},
    }
    table = format_retrieval_table(report)
    with atomic_files(Path(arguments.out)) as written:
        write_json(written / "retrieval.json", report)
        write_text(written / "retrieval.md", table)
    print(f"retrieval.json and retrieval.md are in {arguments.out}\n\n{table}", end="")


if __name__ == "__main__":
    with door():
        main(parse_arguments(RetrieveArguments, description=__doc__))
