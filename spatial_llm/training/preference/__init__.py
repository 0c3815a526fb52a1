"""Training on what is preferred: pairs of answers (DPO), and answers of the model's own that are rewarded (GRPO)."""
