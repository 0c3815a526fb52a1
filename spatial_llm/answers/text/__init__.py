"""Parts that the readers of texts share: tokens, numbers, amounts, angles, direction words, names of sounds.

The lenient reading understands more than the strict one but guesses no more. Two values that differ, a range, a bound ("less
than 2 m"), "or" between two directions, and a denial in the same clause all make the text unparsed. Functions take the
strict result as `found`; it is kept unless the text contradicts it. All take linear time: one pass of a tokeniser without
nested repetition, then loops over the tokens.
"""
