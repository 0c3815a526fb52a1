"""The questions of a data folder: scenes in, manifests out.

    folder/train_scenes.jsonl, eval_scenes.jsonl    in
    folder/train.jsonl, eval.jsonl                  out: the manifests, one Record a line, its scene inside
    folder/questions.json                           out: configuration, counts, balance of the answers, provenance

Questions are written in blocks of scenes, each from its own seed and with its own memory of the answers given, so that
the bytes depend on neither workers, shards nor kills; answers are balanced within every block.
"""

import functools
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.blocks import Blocks, Shard
from spatial_llm.data.records import Record, read_manifest
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.errors import ManifestError, SceneError
from spatial_llm.files import atomic_files, check_place, sha256_of, write_json
from spatial_llm.jsonl import write_jsonl
from spatial_llm.locks import one_writer
from spatial_llm.provenance import provenance
from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.questions.balance import balance
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.sounds import SPLITS

SCENES_PER_BLOCK = 500
SUMMARY = "questions.json"


@dataclass
class WritingConfig:
    """Configures the questions about every scene; equal configuration and seed give equal questions."""

    seed: int = 0
    questions: QuestionConfig = field(default_factory=QuestionConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SceneError(f"seed is {self.seed}; give 0 or more.")


def write_questions(
    folder: str | Path,
    config: WritingConfig,
    workers: int = 1,
    progress: bool = True,
    shard: Shard | None = None,
    merge: bool = False,
) -> dict[str, Any] | None:
    """Writes the manifests of a data folder, each whole or not at all, and returns the content of questions.json.

    Args:
        shard: write only this share of the blocks into `<split>.jsonl.parts`, and return None.
        merge: only join what the shards left.

    Raises:
        SceneError: the configuration asks no question.
        ManifestError: the folder has no scenes, or a line of them is not a scene.
        SpatialLLMError: the parts belong to another configuration or to other scenes, or are to be merged and some are
            missing; or another process writes questions into the folder.
    """
    config.questions.check_asked()
    folder = Path(folder)
    splits = [split for split in SPLITS if (folder / f"{split}_scenes.jsonl").is_file()]
    if not splits:
        raise ManifestError(f"{folder}: no train_scenes.jsonl or eval_scenes.jsonl inside; simulate scenes first.")
    check_place(folder, folder=True)
    with one_writer(folder / SUMMARY, "questions are being written", shared=shard is not None):
        return _write(folder, splits, config, workers, progress, shard, merge)


def _write(
    folder: Path,
    splits: Sequence[str],
    config: WritingConfig,
    workers: int,
    progress: bool,
    shard: Shard | None,
    merge: bool,
) -> dict[str, Any] | None:
    parts: dict[str, tuple[Blocks, int]] = {}
    for split in splits:
        scenes_file = folder / f"{split}_scenes.jsonl"
        scenes = _scenes(scenes_file, sha256_of(scenes_file))
        labels = sorted({source.label for scene in scenes for source in scene.sources})
        plan = {"config": asdict(config), "scenes": sha256_of(scenes_file)}
        blocks = Blocks(folder / f"{split}.jsonl.parts", -(-len(scenes) // SCENES_PER_BLOCK), plan)
        work = functools.partial(_write_block, config, split, scenes_file, plan["scenes"], labels)
        unit = f"{SCENES_PER_BLOCK} scenes"
        if not merge:
            blocks.run(work, shard or Shard(), workers, progress, f"questions ({split})", unit=unit)
        parts[split] = blocks, len(scenes)
    if shard is not None:
        return None
    with atomic_files(folder) as temporary:
        counts = {split: _join(*parts[split], temporary / f"{split}.jsonl", folder) for split in splits}
        summary = {"config": asdict(config), "splits": counts, "provenance": provenance(seed=config.seed)}
        write_json(temporary / SUMMARY, summary)
    for blocks, _ in parts.values():
        shutil.rmtree(blocks.folder)
    return summary


def _join(blocks: Blocks, scenes: int, manifest: Path, root: Path) -> dict[str, Any]:
    """Joins all blocks to one manifest, whose file names start at `root`; returns the entry of the split for
    questions.json."""
    blocks.require_all()
    with manifest.open("wb") as out:
        for block in blocks:
            out.write((block / "records.jsonl").read_bytes())
    found = balance(read_manifest(manifest, root), by="question_type")
    return {"scenes": scenes, "balance": {name: asdict(row) for name, row in found.items()}}


@functools.lru_cache(maxsize=2)
def _scenes(file: Path, _sha256: str) -> Sequence[Scene]:
    # Read before the workers are forked, so that they share it.
    return read_scenes(file)


def _write_block(
    config: WritingConfig, split: str, scenes_file: Path, sha256: str, labels: Sequence[str], block: int, folder: Path
) -> None:
    rng = np.random.default_rng([config.seed, *split.encode(), *b"ask", block])
    writer = QuestionWriter(config.questions, rng, labels, split)
    first = block * SCENES_PER_BLOCK
    scenes = _scenes(scenes_file, sha256)[first : first + SCENES_PER_BLOCK]
    write_jsonl(folder / "records.jsonl", (record.to_dict() for scene in scenes for record in records_of(scene, writer)))


def records_of(scene: Scene, writer: QuestionWriter) -> list[Record]:
    """Returns the questions about one scene as records."""
    return [
        Record(
            id=f"{scene.id}-{number}",
            recording_id=scene.id,
            **vars(item),
            split=scene.split,
            sampling_rate=scene.sampling_rate,
            scene=scene,
        )
        for number, item in enumerate(writer.write(HeardScene.from_scene(scene)))
    ]
