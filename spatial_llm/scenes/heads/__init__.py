"""Measured heads: MIT KEMAR, and those of SOFA files."""
