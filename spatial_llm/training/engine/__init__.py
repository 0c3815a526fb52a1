"""What every training shares: the trainer, batches, checkpoints, the run folder, and how a run is launched and stopped."""
