# %% [markdown]
"""Tutorial 1: ask a model about a recording, read its answers as values, and see whether it listens.

    python recipes/tutorials/1_ask.py      # or cell by cell, in an editor that knows "# %%"; a minute on 2 cores

Needs nothing but the package: the model and the recordings come with it.
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
# A recording has two channels, left ear first. Any sampling rate will do; the model hears two seconds.

# %%
model = SpatialLLM.from_pretrained(MODEL)
scene, recording = read_shipped()[0]
print(model.ask(recording, "What sound events can you hear in the audio clip?"))

# %% [markdown]
# Questions have a form that the model was trained on; angles say in the question how they are counted. Azimuth is counted
# counter-clockwise from straight ahead, so what is on your left has a positive one.

# %%
label = scene.sources[0].label
question = f"At what azimuth is the sound of the {label}? {AZIMUTH_CONVENTION}"
print(question)
answer = model.ask(recording, question)
print(f"{answer!r}; in truth {scene.truth.sources[0].azimuth_deg:.0f} degrees")

# %% [markdown]
# An answer is text. `parse_value` reads it, strictly: what has no single clear value is None, and is counted as wrong where
# answers are scored.

# %%
print(parse_value("AZIMUTH_DEG", answer))
print(parse_value("AZIMUTH_DEG", "somewhere on the left, I think"))

# %% [markdown]
# ## Arrays
# The same from an array (2, samples) with its rate. With the ears exchanged the sound must jump to the other side: the
# simplest test of whether a model listens to directions at all.

# %%
waveform, rate = soundfile.read(recording, dtype="float32")
waveform = waveform.T  # soundfile gives (samples, 2)
print("as it is:      ", model.ask(waveform, question, sampling_rate=rate))
print("ears exchanged:", model.ask(waveform[::-1].copy(), question, sampling_rate=rate))

# %% [markdown]
# Silence is warned of, and what cannot be right is refused in words.

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
# Three recordings with what is true about them. One pair of eyes is no evaluation: for numbers with intervals, on thousands
# of questions, see eval/predict.py and eval/score.py.

# %%
for scene, recording in read_shipped():
    print(f"\n{recording.name}")
    print(format_interview(interview(model, scene, recording)))
