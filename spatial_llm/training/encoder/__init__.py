"""Training of a spatial encoder: what sounds, where, and how far, in one run or in the published stages."""
