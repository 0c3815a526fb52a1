"""Waveforms to cues, in closed form: this package has no weights and learns nothing."""
