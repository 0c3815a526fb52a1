# %% [markdown]
"""Tutorial 4: train the shipped model on dry sounds of your own, in simulated rooms.

    python recipes/tutorials/4_sounds.py      # or cell by cell; about five minutes on 2 cores

A folder with one subfolder per class becomes scenes in simulated rooms, the scenes become questions, the questions train
projector and LoRA, and the model answers before and after. The output goes to runs/tutorials/sounds.
"""

# %%
from pathlib import Path

import numpy as np
import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.evaluation.predicting.evaluation_set import read_questions
from spatial_llm.evaluation.predicting.predict import predict
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.questions.config import official_only
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.showcase.gain import format_gain, gain
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.run import finetune_bat

# %% tags=["parameters"]
MODEL = "tiny"  # to start from
SOUNDS = None  # your folder: SOUNDS/class name/any.wav, at least two classes; None synthesises sounds
OUT = "runs/tutorials/sounds"
ROOMS, CLIPS, EVAL_CLIPS, STEPS = 40, 600, 80, 250

# %% [markdown]
# ## The sounds
# Dry (without a room), mono, at any rate, a second or more. A quarter of the files, chosen by a hash of their names, is kept
# for evaluation: cut one long recording into "name#1.wav", "name#2.wav" so that its pieces stay on one side.
# The default: three synthetic sounds that were not in the model's training.

# %%
out = Path(OUT)


def stand_in(folder: Path, files: int = 24, rate: int = 32_000) -> Path:
    rng, time_s = np.random.default_rng(0), np.arange(2 * rate) / rate
    for number in range(files):
        hiss = rng.standard_normal(len(time_s))
        pitch, beat = rng.uniform(0.8, 1.25), rng.uniform(2, 4)
        buzz = np.sign(np.sin(2 * np.pi * 110 * pitch * time_s))
        sounds = {
            "kettle": 0.3 * hiss + np.sin(2 * np.pi * 2100 * pitch * time_s + 4 * np.sin(2 * np.pi * 6 * time_s)),
            "shaver": buzz + 0.4 * hiss,
            "sprinkler": hiss * (np.sin(2 * np.pi * beat * time_s) > 0.2),
        }
        for label, sound in sounds.items():
            (folder / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / label / f"{number:02d}.wav", 0.5 * sound / np.abs(sound).max(), rate)
    return folder


sounds = Path(SOUNDS) if SOUNDS else stand_in(out / "sounds")
print({folder.name: len(list(folder.iterdir())) for folder in sorted(sounds.iterdir()) if folder.is_dir()})

# %% [markdown]
# ## Scenes, and questions about them
# Training and evaluation share neither rooms nor recordings.

# %%
room = RoomConfig(max_order=12, ray_tracing=False, duration_s=0.3, absorption=(0.5, 0.7), axis_margin_deg=10.0)
config = SimulationConfig(
    room=room,
    train=SplitConfig(rooms=ROOMS, clips_one_source=CLIPS, clips_two_sources=0),
    eval=SplitConfig(rooms=max(2, ROOMS // 4), clips_one_source=EVAL_CLIPS, clips_two_sources=0),
    sounds=SoundsConfig(folder=str(sounds)),
)
simulate(config, out / "data", progress=False)
write_questions(out / "data", WritingConfig(questions=official_only()), progress=False)
records = read_manifest(out / "data" / "eval.jsonl")
print(f"{len(records)} questions for evaluation, such as: {records[0].question} -> {records[0].answer}")

# %% [markdown]
# ## Before, training, after
# The encoder is frozen and its output is cached on disk; projector and LoRA start from the shipped model. More steps and
# more clips help; a class that the encoder does not separate from others needs recipes/train_encoder.py.

# %%
task = read_task("ours")
evaluation = read_questions(task.questions, out / "data" / "eval.jsonl")
before = predict(MODEL, evaluation, out / "before", task, batch_size=64, overrides={"controls": []})
trained = finetune_bat(
    BatArguments(
        run_folder=str(out / "run"), train_manifest=str(out / "data" / "train.jsonl"), start_from=MODEL, encoder_cache=True,
        schedule=Schedule(batch_size=32, learning_rate=1e-3, steps=STEPS),
    )
)  # fmt: skip
after = predict(trained, evaluation, out / "after", task, batch_size=64, overrides={"controls": []})
print(format_gain(gain(before, after, evaluation), trained="A"))

# %% [markdown]
# ## Ask the new model
# Type A asks what sounds, type B where. The model is an ordinary folder: give it to `SpatialLLM.from_pretrained`, to
# `spatial-llm ask --model`, to eval/predict.py.

# %%
model = SpatialLLM.from_pretrained(trained)
waveform = render_record(records[0], out / "data")
for record in (record for record in records if record.recording_id == records[0].recording_id):
    answer = model.ask(waveform, record.question, sampling_rate=record.sampling_rate)
    print(f"{record.question}\n    answer: {answer}\n    truth:  {record.answer}")
