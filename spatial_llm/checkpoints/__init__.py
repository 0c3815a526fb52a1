"""Converts released weights to this library's models by name, with a report of every key and the licence."""

from spatial_llm.checkpoints.bat import convert_bat
from spatial_llm.checkpoints.encoders import convert_dspast, convert_spatial_ast, read_official
from spatial_llm.checkpoints.report import KeyReport

__all__ = ["KeyReport", "convert_bat", "convert_dspast", "convert_spatial_ast", "read_official"]
