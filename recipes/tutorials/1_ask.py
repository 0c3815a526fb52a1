# %% [markdown]
"""Tutorial 1: ask a model about a recording, read its answers as values, and see whether it uses the audio.

    python recipes/tutorials/1_ask.py      # or cell by cell, in an editor that knows "# %%"; a minute on 2 cores

It needs nothing but the package: the model and the recordings come with it.
"""

# %%
import warnings

import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.errors import AudioError
from spatial_llm.questions.families.azimuth import AZIMUTH_CONVENTION
from spatial_llm.questions.types import parse_value
from spatial_llm.shipped.render import read_shipped
from spatial_llm.showcase.interview import format_interview, interview

# %% tags=["parameters"]
MODEL = "tiny"  # the model that comes with the package, or a folder of yours

# %% [markdown]
# ## One recording, one question
# A recording has two channels, left ear first. Any sampling rate will do; the model's window is two seconds.

# %%
model = SpatialLLM.from_pretrained(MODEL)
scene, recording = read_shipped()[0]
print(model.ask(recording, "What sound events can you hear in the audio clip?"))

# %% [markdown]
# Use the wordings of the training questions; those about angles include the convention. Azimuth is counted
# counter-clockwise from straight ahead, so a sound on your left has a positive one.

# %%
label = scene.sources[0].label
question = f"At what azimuth is the sound of the {label}? {AZIMUTH_CONVENTION}"
print(question)
answer = model.ask(recording, question)
print(f"{answer!r}; in truth {scene.truth.sources[0].azimuth_deg:.0f} degrees")

# %% [markdown]
# An answer is text. `parse_value` parses it strictly: a text without a single clear value gives None, which counts as wrong
# when answers are scored.

# %%
print(parse_value("AZIMUTH_DEG", answer))
print(parse_value("AZIMUTH_DEG", "somewhere on the left, I think"))

# %% [markdown]
# ## Arrays
# `ask` also takes an array (2, samples) with its rate. With the ears exchanged the sound must jump to the other side: the
# simplest test of whether a model uses directions at all.

# %%
waveform, rate = soundfile.read(recording, dtype="float32")
waveform = waveform.T  # soundfile gives (samples, 2)
print("as it is:      ", model.ask(waveform, question, sampling_rate=rate))
print("ears exchanged:", model.ask(waveform[::-1].copy(), question, sampling_rate=rate))

# %% [markdown]
# Silence gives a warning, and invalid input raises an error that explains what is wrong.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.ask(0 * waveform, question, sampling_rate=rate)
print("warned:", caught[0].message)
try:
    model.ask(waveform[:1], question, sampling_rate=rate)
except AudioError as error:
    print("refused:", error)

# %% [markdown]
# ## All that comes with the package
# Three recordings with their true values. A few examples are no evaluation: for numbers with intervals, on thousands
# of questions, see eval/predict.py and eval/score.py.

# %%
for scene, recording in read_shipped():
    print(f"\n{recording.name}")
    print(format_interview(interview(model, scene, recording)))
