"""Training: `engine` runs, stops and resumes any training; `encoder`, `finetune` and `tiny` are the three trainings here.

Each training takes one typed dataclass, its `arguments`, and writes one run folder.
"""
