"""The lenient reading: what language models say in free wording, where the strict reading finds no value.

Peculiar: it understands more than the strict reading but guesses no more. Two values that differ, a range, a bound
("less than 2 m"), "or" between two directions, and a denial in the same clause all make the text unparsed. What the
strict reading found is handed over: it stands unless the text says otherwise. All functions take linear time: one pass
of a tokeniser without nested repetition, then loops over the tokens.
"""
