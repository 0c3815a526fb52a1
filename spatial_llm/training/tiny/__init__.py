"""Trainings of the shipped tiny model only: a language model trained on text or on scene tokens, and smoothed answers."""
