"""Training: `engine` runs and stops any training, `encoder`, `finetune` and `tiny` are the three trainings of the project.

Each training takes one typed dataclass, its `arguments`, and leaves one run folder.
"""
