"""What the demonstration and the card of the shipped model print: an interview, a training's gain, tables of test sets."""
