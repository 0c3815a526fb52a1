"""Fine-tunes projector and LoRA between a frozen encoder and a frozen language model: BAT and its variants."""
