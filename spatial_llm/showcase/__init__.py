"""What the demo and the card of the shipped model print: an interview, the gain of a training, and tables of test sets."""
