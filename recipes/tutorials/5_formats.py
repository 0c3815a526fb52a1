# %% [markdown]
"""Tutorial 5: one scene heard by ambisonics, arrays and two ears; what each can know, and what the shipped model answers.

python recipes/tutorials/5_formats.py       # or cell by cell; a minute on 2 cores
"""

# %%
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch

from spatial_llm import SpatialLLM
from spatial_llm.audio.ambisonics import turn
from spatial_llm.audio.cues import FIELD_CUES, FrontEnd
from spatial_llm.audio.cues.field import field_cues, harmonics
from spatial_llm.audio.formats import Ambisonics, as_format, parse_format
from spatial_llm.audio.steering import steering
from spatial_llm.files import write_text
from spatial_llm.geometry import direction_to_vector, great_circle_deg, vector_to_direction
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Room, Scene, Source

# %% tags=["parameters"]
MODEL = "tiny"  # hears with two ears
OUT = "runs/tutorials/formats"

# %% [markdown]
# ## A microphone is described, never guessed
# A recording travels with its format. Four channels may be first-order ambisonics or four microphones, and their order and
# scale differ between programs, so that a number of channels says nothing. Arrays come from a file:

# %%
folder = Path(OUT)
folder.mkdir(parents=True, exist_ok=True)
write_text(folder / "tetrahedron.yaml", """# four microphones on a rigid sphere of 4.2 cm
kind: array
positions_m: [[0.0243, 0.0243, 0.0241], [0.0243, -0.0243, -0.0241], [-0.0243, 0.0243, -0.0241], [-0.0243, -0.0243, 0.0241]]
sphere_radius_m: 0.042
""")  # fmt: skip
ring = [[round(0.0425 * np.cos(a), 4), round(0.0425 * np.sin(a), 4), 0.0] for a in np.arange(8) * np.pi / 4]
formats = {
    "first-order ambisonics": as_format("foa"),
    "third-order ambisonics": as_format("ambisonics3"),
    "rigid tetrahedron": as_format(folder / "tetrahedron.yaml"),
    "ring of eight": as_format(f"array:{ring}"),
    "two ears": as_format("binaural"),
}
for name, format in formats.items():
    print(f"{name}: {format.channels} channels; it cannot tell {format.limits}")

# %% [markdown]
# ## One scene, heard by each

# %%
room = Room("my-room", size_m=(5.0, 4.0, 2.7), absorption=0.6, max_order=10, ray_tracing=False, response_s=0.3)
alarm = Source("alarm", "synth:alarm/7", position_m=(3.6, 3.3, 2.0))
scene = Scene(
    id="mine", split="eval", seed=1, duration_s=2.0, sampling_rate=32_000, room=room, listener=Listener((2.4, 1.9, 1.5)),
    sources=(alarm,),
)  # fmt: skip
azimuth_deg, elevation_deg, distance_m = vector_to_direction(np.subtract(alarm.position_m, scene.listener.position_m))
print(f"the alarm is at azimuth {azimuth_deg:.0f}, elevation {elevation_deg:.0f} degrees, {distance_m:.1f} m away")
recordings = {name: render_scene(scene, folder, format) for name, format in formats.items()}

# %% [markdown]
# ## One set of cues for all of them
# An encoder of the sound field hears ambisonics and arrays with the same weights, because its cues are a map of the
# directions from which sound comes, which every microphone is converted to by its own physics. The map is kept as spherical
# harmonics; here is where it is largest.

# %%
front_end = FrontEnd(32_000, 1024, 320, 64, 200.0, 6000.0)
sphere = np.random.default_rng(0).standard_normal((20_000, 3))
sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)


def map_peak(recording, format):
    cues = field_cues(torch.from_numpy(recording)[None], format, FIELD_CUES, front_end, steering)[0].numpy()
    loud = cues[0] > cues[0].max() - 30  # where the sound is, not the noise after it
    return sphere[np.argmax(harmonics(sphere)[:, 1:] @ cues[1:16][:, loud].mean(axis=1))]


for name, format in formats.items():
    if name != "two ears":
        found_azimuth, found_elevation, _ = vector_to_direction(map_peak(recordings[name], format))
        error = great_circle_deg(azimuth_deg, elevation_deg, found_azimuth, found_elevation)
        print(f"{name}: azimuth {found_azimuth:.0f}, elevation {found_elevation:.0f} degrees; {error:.0f} degrees off")

# %% [markdown]
# The ring cannot tell above from below, so that its elevation has the right size and a sign of chance.
#
# ## A model of two ears hears the others through a head
# The shipped model was trained on two ears. Recordings of other microphones are rendered to the ears of a head, and the
# answer says so.

# %%
model = SpatialLLM.from_pretrained(MODEL)
question = "Where is the alarm, left or right, in front or behind, above or below?"
for name, format in formats.items():
    soundfile.write(folder / f"{format.kind}{format.channels}.wav", recordings[name].T, 32_000, subtype="FLOAT")
    answer = model.ask(folder / f"{format.kind}{format.channels}.wav", question, format=format)
    print(f"{name}: {answer}" + (" (derived)" if answer.derived else ""))

# %% [markdown]
# ## What files of other programs contain
# Ambisonics also comes in N3D and in Furse and Malham's convention. It is converted where it enters, if you say so.

# %%
first_order = formats["first-order ambisonics"]
fuma = parse_format("foa:fuma")
print(f"{fuma.name}: channels {', '.join(fuma.channel_names)}; within the library {', '.join(first_order.channel_names)}")

# %% [markdown]
# ## Turning the scene, or the listener
# A rotation of ambisonics is exact, and a listener who turns to the left hears everything turned to the right.

# %%
third, turned = formats["third-order ambisonics"], replace(scene, listener=Listener((2.4, 1.9, 1.5), heading_deg=60.0))
for name, recording in (
    ("as it was", recordings["third-order ambisonics"]),
    ("listener turned", render_scene(turned, folder, third)),
):
    print(f"{name}: azimuth {vector_to_direction(map_peak(recording, third))[0]:.0f} degrees")
straight = direction_to_vector(azimuth_deg, elevation_deg)
print(f"expected: {azimuth_deg:.0f} and {vector_to_direction(turn(-60) @ straight)[0]:.0f} degrees")
assert isinstance(third, Ambisonics)
