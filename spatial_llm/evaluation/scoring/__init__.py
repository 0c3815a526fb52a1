"""From predicted answers to scores: of one run, of two runs compared, of controls, of other people's benchmarks, of
encoders."""
