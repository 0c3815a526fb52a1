"""A model answers the questions of a task; its answers, and those under the controls, are written to files."""
