# %% [markdown]
"""Tutorial 3: train the shipped model on binaural recordings of your own, with questions and answers of your own.

    python recipes/tutorials/3_finetune.py      # or cell by cell; about two minutes on 2 cores

A folder of recordings and a CSV become manifests, projector and LoRA are trained on one part, and the answers to the other
part are scored before and after. The output goes to runs/tutorials/finetune.
"""

# %%
import csv
from pathlib import Path

import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.data.importing.run import ImportArguments, import_recordings
from spatial_llm.data.records import read_manifest
from spatial_llm.evaluation.predicting.evaluation_set import read_questions
from spatial_llm.evaluation.predicting.predict import predict
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.evaluation.report.scores_table import first_part, format_table
from spatial_llm.evaluation.scoring.score import score
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from spatial_llm.scenes.truth import truth_of
from spatial_llm.sentences.embedding import TextEmbedder
from spatial_llm.showcase.gain import format_gain, gain
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.run import finetune_bat

# %% tags=["parameters"]
MODEL = "tiny"  # to start from
CSV = None  # yours: columns audio, question, answer, and what else you know (data/README.md); None makes a stand-in
OUT = "runs/tutorials/finetune"
STEPS = 60

# %% [markdown]
# ## The recordings and the table
# Two channels, left ear first, at any rate; paths start at the CSV. Some questions are yours alone, with free answers;
# others have a wording that the model was trained on, and answers that are read as values. The stand-in: twelve recordings,
# three sounds in each of four rooms, simulated.

# %%
out = Path(OUT)
SOUNDS = {"alarm": "The smoke detector beeps.", "engine": "The old pump is running.", "bell": "Someone is at the door."}


def stand_in(folder: Path, seconds: float = 2.0, rate: int = 32_000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(12):
        number, label = index // 3, tuple(SOUNDS)[index % 3]
        room = Room(
            f"room {number}", (4.5 + 0.4 * number, 4.0, 2.7), absorption=0.5, max_order=10, ray_tracing=False, response_s=0.3
        )
        position = (1.0 + 0.7 * (index % 4), 0.8 + 2.4 * (index % 2), 1.1 + 0.2 * (index % 5))
        source = Source(label, f"synth:{label}/{index}", position)
        scene = Scene(
            f"clip-{index}", "train", index, seconds, rate, room, Listener((2.4, 2.1, 1.5), heading_deg=25.0 * index),
            (source,),
        )  # fmt: skip
        heard = truth_of(scene, folder).sources[0]
        soundfile.write(folder / f"{scene.id}.wav", render_scene(scene, folder).T, rate)
        known = [label, round(heard.azimuth_deg, 1), round(heard.elevation_deg, 1), round(heard.distance_m, 2), room.id]
        rows += [
            [f"{scene.id}.wav", "What happens here?", SOUNDS[label], *known],
            [f"{scene.id}.wav", "What is this?", label, *known],
            [
                f"{scene.id}.wav",
                "From which direction does it come, in degrees?",
                f"{heard.azimuth_deg:.0f} degrees",
                *known,
            ],
        ]
    with (folder / "my.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(["audio", "question", "answer", "label", "azimuth", "elevation", "distance", "room"])
        csv.writer(file).writerows(rows)
    return folder / "my.csv"


table = Path(CSV) if CSV else stand_in(out / "recordings")
print(table.read_text(encoding="utf-8-sig")[:400])

# %% [markdown]
# ## Import
# Every recording and every row is checked; a wrong one ends in a sentence that shows the row as it would be right. No room
# and no recording is on both sides. In a shell: `python data/import_recordings.py --csv my.csv --out DATA`.

# %%
summary = import_recordings(ImportArguments(csv=str(table), out=str(out / "data")))
print(summary)
records = read_manifest(out / "data" / "eval.jsonl")

# %% [markdown]
# ## Before, training, after
# The encoder is frozen and its output is cached on disk; the rest starts from the shipped model. Its small language model
# has met no words but those of its own questions, so all of it trains; for a large one leave `trains` at its default, LoRA.

# %%
task = read_task("ours")
evaluation = read_questions(task.questions, out / "data" / "eval.jsonl")
before = predict(MODEL, evaluation, out / "before", task, overrides={"controls": []})
trained = finetune_bat(
    BatArguments(
        run_folder=str(out / "run"), train_manifest=str(out / "data" / "train.jsonl"), start_from=MODEL, encoder_cache=True,
        trains="language_model", schedule=Schedule(batch_size=9, learning_rate=1e-3, steps=STEPS),
    )
)  # fmt: skip
after = predict(trained, evaluation, out / "after", task, overrides={"controls": []})
print(format_gain(gain(before, after, evaluation), trained="open"))

# %% [markdown]
# ## The scores
# Free answers are scored as text: by equality, apart from case and punctuation, and by the cosine of their embeddings. After
# nine recordings a small model says whole sentences, and often the wrong one; three recordings to evaluate on tell little:
# record more. In a shell: eval/predict.py, eval/score.py, eval/report.py.

# %%
embedder = TextEmbedder()
print(first_part(format_table(score(after, evaluation, embedder, embedder.name))))

# %% [markdown]
# ## Ask the new model
# It is an ordinary folder: give it to `SpatialLLM.from_pretrained`, to `spatial-llm ask --model`, to eval/predict.py.

# %%
model = SpatialLLM.from_pretrained(trained)
for record in records[:6]:
    print(f"{record.question}\n    answer: {model.ask(out / 'data' / record.audio, record.question)}")
    print(f"    truth:  {record.answer}")
