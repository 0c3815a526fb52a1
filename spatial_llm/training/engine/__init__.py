"""What every training shares: trainer, batches, checkpoints, run folder, and how a run is launched and stopped."""
