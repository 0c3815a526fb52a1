"""Further wordings of the official types A to E, by their name in `templates`; asked where `more_phrasings` is on.

Ours, not in SpatialSoundQA. As of our own families, some are of training or of evaluation only.
"""

from spatial_llm.questions.phrasings import Phrasings

MORE = {
    "DETECTION": Phrasings((), ("Which sounds occur in the audio clip?",), ("Name what you hear in the audio clip.",)),
    "LOCATION": Phrasings((), ("Give the direction and distance of the sound.",), ("From where does the sound reach you?",)),
    "DETECTION_AT_PLACE": Phrasings(
        (),
        ("Name the sounds at {place}, approximately {distance} away.",),
        ("What do you hear from the {place}, approximately {distance} away?",),
    ),
    "LOCATION_OF_NAMED": Phrasings(
        (),
        ("Give the direction and distance of the sound of the {x}.",),
        ("From where does the sound of the {x} reach you?",),
    ),
    "RELATIVE_DIRECTION": Phrasings(
        ("Does the {x} sound {relation} the {y}?",),
        ("Would you say the sound of the {x} is {relation} the sound of the {y}?",),
        ("Is it true that the {x} is {relation} the {y}?",),
    ),
    "JOINT_DIRECTION": Phrasings(
        ("Does the {x} sound from {word} and the {y} from {other}?",),
        ("Is the sound of the {x} from {word}, and that of the {y} from {other}?",),
        ("Is it true that the {x} is heard from {word} and the {y} from {other}?",),
    ),
    "RELATIVE_DISTANCE": Phrasings(
        ("Is the {x} {nearer} to you than the {y}?",),
        ("Does the {x} sound {nearer} than the {y}?",),
        ("Is it true that the {x} is {nearer} than the {y}?",),
    ),
    "OPEN_DIRECTION": Phrasings(
        ("Is the {x} {either} the {y}?",),
        ("Does the sound of the {x} come from {either} the sound of the {y}?",),
        ("Can the {x} be heard {either} the {y}?",),
    ),
    "OPEN_DISTANCE": Phrasings(
        ("What distance lies between the {x} and the {y}?",),
        ("How many meters apart are the sound of the {x} and the sound of the {y}?",),
        ("How far apart are the {x} and the {y}?",),
    ),
    "OPEN_SOURCE": Phrasings(
        ("What do you hear {side} the {x}?",),
        ("Name the sound {side} the sound of the {x}.",),
        ("What can be heard {side} the sound of the {x}?",),
    ),
}
