"""Written answers to scores: of one run, of two runs compared, of controls, of benchmarks of others, of encoders."""
