"""The wording of the official types A to E; that of our own families is in `phrasings`, and
further wordings of these are in `more_phrasings`.

VERBATIM lists the strings that are in SpatialSoundQA as published (specs a.3, and the examples in the README of SLAM-LLM's
recipe); the complete list of its templates is not public. The other phrasings are ours, written close to them. `{x}` and
`{y}` stand for labels.
"""

DETECTION = (  # A
    "Enumerate the sound occurrences in the audio clip.",
    "What sound events can you hear in the audio clip?",
    "Identify the sound events in the audio clip.",
)
LOCATION = (  # B
    "How would you describe the location of this audio clip?",
    "Where is the sound in this audio clip coming from?",
    "What are the direction and distance of the sound in this audio clip?",
)
DETECTION_AT_PLACE = (  # C; {place} is "right, front, below", {distance} is "3 meters"
    "Identify the sound events in the audio clip coming from the {place}, approximately {distance} away.",
    "What sound events can you hear coming from the {place}, approximately {distance} away?",
    "Which sounds are coming from the {place}, approximately {distance} away?",
)
LOCATION_OF_NAMED = (  # D
    "Where is the sound of the {x} coming from?",
    "At what distance and in which direction is the sound of the {x} located?",
    "How would you describe the location of the sound of the {x}?",
)
# E, yes or no. {relation} is one of RELATIONS; {word} and {other} are the words of one axis as in JOINT_WORDS.
RELATIVE_DIRECTION = (
    "Is the sound of the {x} {relation} the sound of the {y}?",
    "Can you hear the sound of the {x} {relation} the sound of the {y}?",
)
JOINT_DIRECTION = (
    "Is the {x}'s sound coming from {word} and the {y}'s sound from {other}?",
    "Do you hear the {x}'s sound coming from {word} and the {y}'s sounds from {other}?",
)
RELATIVE_DISTANCE = (
    "Is the sound of the {x} {nearer} than the sound of the {y}?",
    "Would you say the sound of the {x} is {nearer} than the sound of the {y}?",
)
# E, open
OPEN_DIRECTION = (
    "Is the sound of the {x} {either} the sound of the {y}?",
    "Would you say the sound of the {x} is {either} the sound of the {y}?",
)
OPEN_DISTANCE = (
    "What is the distance between the sound of the {x} and the sound of the {y}?",
    "How far away is the sound of the {x} from the sound of the {y}?",
)
OPEN_SOURCE = (
    "What is the sound {side} the sound of the {x}?",
    "Which sound is {side} the sound of the {x}?",
)

RELATIONS = {
    "left": "on the left of",
    "right": "on the right of",
    "front": "in front of",
    "behind": "behind",
    "above": "above",
    "below": "below",
}
SIDES = RELATIONS | {"left": "on the left side of", "right": "on the right side of"}
JOINT_WORDS = {
    "left": "the left",
    "right": "the right",
    "front": "the front",
    "behind": "behind",
    "above": "above",
    "below": "below",
}
EITHER = {
    "left_right": "on the left or right of",
    "front_behind": "in front of or behind",
    "above_below": "above or below",
}
NEARER = {"nearer": True, "closer": True, "farther": False}  # word -> does it hold for the nearer source

VERBATIM = (
    DETECTION[0],
    LOCATION[0],
    LOCATION_OF_NAMED[0],
    OPEN_DISTANCE[0],
    OPEN_DISTANCE[1],
    "What is the sound on the right side of the sound of the {x}?",
)


def meters(distance_m: float) -> str:
    """A distance as questions name it: "3 meters", "2.5 meters", "1 meter"."""
    return f"{distance_m:g} meter" + ("" if distance_m == 1 else "s")
