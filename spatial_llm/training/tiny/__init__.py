"""What only the shipped tiny model uses: its language model, trained on text, and the scene tokens that it reads."""
