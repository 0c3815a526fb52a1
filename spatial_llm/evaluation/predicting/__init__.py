"""A task says what is asked, a model answers, and the answers are written, those of the controls beside them."""
