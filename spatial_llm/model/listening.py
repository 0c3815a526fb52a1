"""How a model listens: a recording is brought to what its encoder takes, and encoded once."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from spatial_llm.audio.formats import AudioFormat, as_format
from spatial_llm.audio.given import AudioFile
from spatial_llm.audio.io import Render, prepare_waveform, warn_of_same_channels
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.model.derived import derived_note, rendering
from spatial_llm.model.heard import Heard
from spatial_llm.model.understanding import at_taught_level

if TYPE_CHECKING:
    from spatial_llm.model.pipeline import SpatialLLM


class Listening:
    """Methods of `SpatialLLM`."""

    def listen(
        self: "SpatialLLM",
        audio: AudioFile | ArrayLike | Mapping[str, Any],
        sampling_rate: float | None = None,
        audio_limits: AudioLimits = DEFAULT_LIMITS,
        format: str | AudioFormat | None = None,
        level_dbfs_at_1m: float | None = None,
        head: str | os.PathLike | None = None,
        heading_deg: float = 0.0,
    ) -> Heard:
        """Encodes a recording once, for any number of questions.

        Args:
            audio: path of a sound file, its bytes or an open file; array or tensor (channels, samples), with its rate;
                {"array", "sampling_rate"}, {"path"} or {"bytes"}; or a decoder of torchcodec. Its channels are those that
                the model's encoder takes: two ears, left first, for all current encoders. Any rate is resampled. A shorter
                recording than the model's window is padded with silence; of a longer one the loudest window is used, with a
                warning.
            sampling_rate: in Hz, of an array that does not say its own (a file does).
            audio_limits: how long and large a recording may be (600 s), and whether a cut file may be read.
            format: format of the recording, such as "binaural" or "foa" (see `spatial_llm.audio.formats.parse_format`), or a
                file that describes its microphone. A model of two ears hears ambisonics and arrays rendered to the ears of a
                head, says so (`Heard.derived`), and warns once of what that loses; any other format than the encoder's is an
                error. Default: the encoder's, if the number of channels is right.
            level_dbfs_at_1m: level that the recording chain gives to a sound as loud as the recorded one, 1 m in front and
                without echo: its mean power over both ears (of other microphones: that of one of them, of ambisonics that of
                W) in dB relative to full scale. The recording is then scaled to the
                level of training, on which distances rest (see `understanding.at_taught_level`).
            head: SOFA file of the head to whose ears a recording is rendered; default: MIT KEMAR.
            heading_deg: where that head looks in the recording; positive = turned to the left, so that answers are further
                to the right.

        Returns:
            What was heard: ask it questions, or read the encoder's own distributions.

        Raises:
            AudioError: the file is missing, no sound file, cut, or beyond the limits; the rate is invalid; the format or
                number of channels is not that of the encoder; the array is (samples, channels), empty, contains NaN or
                infinity, or has no rate. Silence, and channels that are all the same, give a warning.
            SpatialLLMError: `level_dbfs_at_1m` is no level, or the level of training is not known; `head` or `heading_deg`
                is given and nothing is rendered, or the head cannot be read.
        """
        encoder_config, extractor = self.model.config.encoder_config, self.processor.feature_extractor
        given = extractor.default_format if format is None else as_format(format)
        render = self.rendering(given, head, heading_deg)
        waveform = prepare_waveform(
            audio,
            sampling_rate,
            encoder_config.sampling_rate,
            encoder_config.window_samples,
            audio_limits,
            format=extractor.format,
            given=given,
            render=render,
        )
        warn_of_same_channels(waveform)
        if level_dbfs_at_1m is None:
            return self.listen_to_window(waveform, given.internal, render is not None)
        waveform = at_taught_level(waveform, level_dbfs_at_1m, self.processor.taught)
        heard = self.listen_to_window(waveform, given.internal, render is not None)
        return replace(heard, level_is_known=True)

    @torch.inference_mode()
    def listen_to_window(
        self: "SpatialLLM", waveform: NDArray[np.float32], format: AudioFormat | None = None, derived: bool = False
    ) -> Heard:
        """Encodes a window that `prepare_waveform` made: (channels, window_samples) at the encoder's rate, of a format that
        the encoder takes (None = its own); `derived`: it was rendered to two ears."""
        rate = self.model.config.encoder_config.sampling_rate
        how = {"return_tensors": "pt", "scale_known": True, "formats": None if derived else format}
        cues = self.processor.feature_extractor(waveform, sampling_rate=rate, **how)
        encoded = self.model.encoder(input_features=cues["input_features"].to(self.device), return_dict=True)
        hidden_states = encoded.last_hidden_state
        features = self.model.get_audio_features(audio_hidden_states=hidden_states)
        audio = {"audio_embeds": features.pooler_output}
        if features.audio_mask is not None:
            audio = {"audio_hidden_states": hidden_states}
        audio |= self.mono_input(waveform)
        return Heard(self, hidden_states, audio, encoded.get("feature_attention"), derived=derived)

    def rendering(
        self, given: AudioFormat, head: str | os.PathLike | None = None, heading_deg: float = 0.0
    ) -> Render | None:
        """Returns what renders recordings of a format to the ears that this model hears with, None where it takes them; the
        first time a warning says what is lost. Arguments and errors are those of `derived.rendering`."""
        head = None if head is None else os.fspath(head)
        render = rendering(given, self.processor.feature_extractor.format, head, heading_deg)
        if render is not None and not self._spoke_of_ears:
            self._spoke_of_ears = True
            warnings.warn(derived_note(given, head), stacklevel=1)
        return render
