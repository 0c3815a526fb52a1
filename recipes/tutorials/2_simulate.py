# %% [markdown]
"""Tutorial 2: simulate a room and microphones of your own, and write questions about the sounds in it.

    python recipes/tutorials/2_simulate.py      # or cell by cell; a minute on 2 cores

It writes a picture and a sound file for each microphone format into runs/tutorials/simulate.
"""

# %%
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from spatial_llm import SpatialLLM
from spatial_llm.audio.formats import parse_format
from spatial_llm.jsonl import write_jsonl
from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.scenes.picture import draw_scene
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Noise, Room, Scene, Source
from spatial_llm.scenes.scene_checks import check_scene
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.scenes.truth import truth_of

# %% tags=["parameters"]
MODEL = "tiny"  # answers a question at the end
OUT = "runs/tutorials/simulate"

# %% [markdown]
# ## A scene is data
# A room, a listener, sources with positions in metres (corner of the room at 0, z up). Directions are computed from the
# listener's place and heading, and are never written by hand.

# %%
folder = Path(OUT)
folder.mkdir(parents=True, exist_ok=True)
room = Room("my-room", size_m=(5.0, 4.0, 2.7), absorption=0.5, max_order=12, ray_tracing=False, response_s=0.3)
sources = (
    Source("alarm", "synth:alarm/7", position_m=(3.6, 3.1, 1.9)),
    Source("engine", "synth:engine/7", position_m=(1.0, 1.2, 0.9), gain_db=-3.0, onset_s=0.5),
)
scene = Scene(
    id="mine", split="eval", seed=1, duration_s=2.0, sampling_rate=32_000, room=room,
    listener=Listener((2.4, 1.9, 1.5), heading_deg=20.0), sources=sources, noise=Noise("pink", snr_db=30.0),
)  # fmt: skip
check_scene(scene, "my scene")

# %% [markdown]
# The truth is derived: directions from the listener, times including the travel through the air, the room's reverberation.
# A real room reverberates longer than walls of absorption 0.5; then give `target_rt60_s` and `ray_tracing=True`.

# %%
scene = replace(scene, truth=truth_of(scene, folder))
for source, known in zip(scene.sources, scene.truth.sources, strict=True):
    print(f"{source.label}: azimuth {known.azimuth_deg:.0f}, elevation {known.elevation_deg:.0f} degrees, "
          f"{known.distance_m:.1f} m, from {known.onset_s:.2f} s on")  # fmt: skip
print(f"reverberation time {scene.truth.rt60_s:.2f} s")

# %% [markdown]
# ## One scene, any microphone
# Binaural through a measured head (or your own SOFA file: "binaural:head.sofa"), ambisonics, or an array given by its
# coordinates in metres around the listener's position: here a tetrahedron of four microphones, 4 cm from the centre.

# %%
corners = 0.04 / np.sqrt(3) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
formats = [parse_format(text) for text in ("binaural", "foa", f"array:{corners.round(4).tolist()}")]
recordings = [(kind, render_scene(scene, folder, kind)) for kind in formats]
for kind, waveform in recordings:
    soundfile.write(folder / f"mine.{kind.name}.wav", waveform.T, scene.sampling_rate, subtype="FLOAT")
    print(f"{kind.name}: {waveform.shape[0]} channels")

# %% [markdown]
# ## Questions that are true by construction
# The writer asks what is unambiguous in this scene, parses each answer again and keeps it only if it is the truth. It
# balances answers over many scenes, so use one writer for all of yours.

# %%
writer = QuestionWriter(
    QuestionConfig(ask={"location": 1, "location_of_named": 1, "azimuth": 2, "distance": 1, "negative": 2}, limit=8),
    np.random.default_rng(0),
    known_labels=("alarm", "bell", "engine"),
)
asked = writer.write(HeardScene.from_scene(scene))
for item in asked:
    print(f"{item.question}\n    {item.answer}")

# %% [markdown]
# A picture of the scene, and the scene as a line of JSON, which data/draw_scene.py, recipes and evaluation read.

# %%
draw_scene(scene, recordings, [(item.question, item.answer) for item in asked], folder / "mine.png")
write_jsonl(folder / "scenes.jsonl", [scene_to_dict(scene)])
print(f"written: {folder}/mine.png, scenes.jsonl")
Image.open(folder / "mine.png")  # a notebook shows it

# %% [markdown]
# ## The model's answer
# The model's encoder takes two ears, so it gets the binaural recording.

# %%
model = SpatialLLM.from_pretrained(MODEL)
for item in asked[:4]:
    answer = model.ask(recordings[0][1], item.question, sampling_rate=scene.sampling_rate)
    print(f"{item.question}\n    answer: {answer}\n    truth:  {item.answer}")

# %% [markdown]
# Thousands of scenes in hundreds of rooms from one YAML, on many machines: data/simulate_scenes.py, data/write_questions.py.
