"""Measures lists of events: what was heard from when to when, and where it was meanwhile, recording by recording.

`event` defines an event. `collars` and `segments` count what is found, `overlaps` measures how well spans fit, and which
predicted events are invented, `tracks` follows directions over time. Each function takes the events of one recording and
returns counts and sums, so that scores and their intervals over recordings follow from sums (`scoring.event_scores`).
"""
