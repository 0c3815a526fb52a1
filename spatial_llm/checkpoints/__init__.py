"""Converts released weights to this library's models by name, with a report of every key and the licence, and back."""

from spatial_llm.checkpoints.bat import convert_bat, export_bat
from spatial_llm.checkpoints.encoders import convert_dspast, convert_spatial_ast, export_encoder, read_official
from spatial_llm.checkpoints.export import export_folder
from spatial_llm.checkpoints.report import KeyReport

__all__ = [
    "KeyReport",
    "convert_bat",
    "convert_dspast",
    "convert_spatial_ast",
    "export_bat",
    "export_encoder",
    "export_folder",
    "read_official",
]
