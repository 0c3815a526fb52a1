"""What a run costs: memory estimated without weights, memory and time measured on a GPU, and time measured on a CPU."""
