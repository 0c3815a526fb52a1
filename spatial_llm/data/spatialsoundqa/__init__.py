"""The released SpatialSoundQA: reading, preparing and rendering it, and exporting our own data in its layout."""
