"""The released SpatialSoundQA: its question files read, prepared, rendered, and our own data exported in its layout."""
