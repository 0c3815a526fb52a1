"""The wording of our own families; that of the official types is in `templates` and `more_phrasings`.

Every question type has phrasings that both splits share, and some that only training or only evaluation sees: a model
that learned strings instead of questions shows it there. `{x}` and `{y}` are labels; what the others stand for is said
beside them. Conventions that an answer depends on are part of the question (as in JAEGER, specs d.3).
"""

from dataclasses import dataclass

AZIMUTH_CONVENTION = "Azimuth 0 is straight ahead, positive to the left, from -180 to 180 degrees."
ELEVATION_CONVENTION = "Elevation 0 is level with the ears, positive upwards, from -90 to 90 degrees."
CLOCK_CONVENTION = "12 o'clock is straight ahead, 3 o'clock to the right."
SPAN_CONVENTION = "Times are in seconds from the beginning of the recording."
CONVENTIONS = (AZIMUTH_CONVENTION, ELEVATION_CONVENTION, CLOCK_CONVENTION, SPAN_CONVENTION)


@dataclass(frozen=True)
class Phrasings:
    """Wordings of one question type: those of both splits, and those of one only."""

    both: tuple[str, ...]
    train: tuple[str, ...]
    eval: tuple[str, ...]

    def of(self, split: str, only_unseen: bool = False) -> tuple[str, ...]:
        """The wordings that one split ("train" or "eval") uses; `only_unseen`: of "eval" those that training does not."""
        if split == "train":
            return self.both + self.train
        return self.eval if only_unseen else self.both + self.eval


def phrasings_of(question_type: str, split: str, only_unseen: bool = False) -> tuple[str, ...]:
    """The wordings of one of our question types in one split."""
    phrasings = _RELATION if question_type.startswith("RELATION_") else PHRASINGS[question_type]
    return phrasings.of(split, only_unseen)


def _ending(phrasings: Phrasings, sentence: str) -> Phrasings:
    return Phrasings(*(tuple(f"{text} {sentence}" for text in texts) for texts in vars(phrasings).values()))


PHRASINGS = {
    "AZIMUTH_DEG": _ending(
        Phrasings(
            (
                "At what azimuth is the sound of the {x}?",
                "What is the azimuth of the sound of the {x} in degrees?",
                "From which azimuth does the sound of the {x} arrive?",
            ),
            (
                "Give the azimuth of the sound of the {x} in degrees.",
                "In which horizontal direction, in degrees, is the {x}?",
            ),
            ("Estimate the azimuth angle of the {x}'s sound.", "Which azimuth angle has the sound of the {x}?"),
        ),
        AZIMUTH_CONVENTION,
    ),
    "AZIMUTH_CLOCK": _ending(
        Phrasings(
            (
                "At what hour of the clock is the sound of the {x}?",
                "In which o'clock direction is the sound of the {x}?",
                "Give the direction of the sound of the {x} as an hour of the clock.",
            ),
            ("On a clock face around you, where is the {x}?", "Which o'clock position does the sound of the {x} come from?"),
            ("Name the o'clock direction of the {x}'s sound.", "Which hour of the clock points at the {x}?"),
        ),
        CLOCK_CONVENTION,
    ),
    "ELEVATION_DEG": _ending(
        Phrasings(
            (
                "At what elevation is the sound of the {x}?",
                "What is the elevation of the sound of the {x} in degrees?",
                "From which elevation does the sound of the {x} arrive?",
            ),
            (
                "Give the elevation of the sound of the {x} in degrees.",
                "In which vertical direction, in degrees, is the {x}?",
            ),
            ("Estimate the elevation angle of the {x}'s sound.", "Which elevation angle has the sound of the {x}?"),
        ),
        ELEVATION_CONVENTION,
    ),
    "DISTANCE": Phrasings(
        (
            "How far away is the sound of the {x}?",
            "What is the distance to the sound of the {x} in meters?",
            "At what distance is the sound of the {x}, to a tenth of a meter?",
        ),
        ("Give the distance of the sound of the {x} in meters.", "How many meters away is the {x}?"),
        ("Estimate how many meters there are between you and the {x}.", "How distant is the sound of the {x}, in meters?"),
    ),
    "COUNT_SOURCES": Phrasings(
        (
            "How many sound sources are there in the audio clip?",
            "How many sources of sound can you hear?",
            "Count the sound sources around you.",
        ),
        ("What is the number of sound sources in this audio clip?", "How many sound sources surround you?"),
        ("How many separate sources are sounding here?", "Give the number of sources that you hear."),
    ),
    "COUNT_CLASSES": Phrasings(
        (
            "How many different kinds of sound are there in the audio clip?",
            "How many classes of sound can you hear?",
            "Count the different kinds of sound.",
        ),
        ("What is the number of different sounds, each kind counted once?", "How many kinds of sound source are there?"),
        ("Counting sounds of one kind once, how many do you hear?", "Give the number of distinct sound classes."),
    ),
    "NEAREST": Phrasings(
        (
            "Which sound is nearest to you?",
            "What is the nearest sound in the audio clip?",
            "Which of the sounds is the closest?",
        ),
        ("Name the sound that is closest to you.", "Which sound has the smallest distance?"),
        ("What do you hear from the shortest distance?", "Which source is the least far away?"),
    ),
    "FARTHEST": Phrasings(
        (
            "Which sound is farthest from you?",
            "What is the farthest sound in the audio clip?",
            "Which of the sounds is the most distant?",
        ),
        ("Name the sound that is farthest away.", "Which sound has the largest distance?"),
        ("What do you hear from the greatest distance?", "Which source is the least near?"),
    ),
    "SAME_CLASS": Phrasings(  # {count}: "two"
        (
            "There are {count} sounds of the {x}. Where are they?",
            "Where are the {count} sounds of the {x} coming from?",
            "Give the locations of the {count} sounds of the {x}.",
        ),
        ("The {x} sounds from {count} places. Which are they?", "List where each of the {count} sounds of the {x} is."),
        ("You hear {count} of the {x}. Locate each of them.", "From which {count} places does the {x} sound?"),
    ),
    "ONSET_FIRST": Phrasings(
        (
            "Which sound starts first?",
            "What is the first sound to begin?",
            "Which sound do you hear first?",
        ),
        ("Name the sound that begins before all others.", "Which of the sounds has the earliest onset?"),
        ("What sounds before anything else does?", "Which source is the first to be heard?"),
    ),
    "ONSET_ORDER": Phrasings(
        (
            "In which order do the sounds start?",
            "List the sounds in the order in which they begin.",
            "Order the sounds by their onset, the earliest first.",
        ),
        ("Name the sounds as they set in, one after the other.", "What is the sequence in which the sounds begin?"),
        ("Sort the sounds from the first to start to the last.", "Which sound starts first, which next, and so on?"),
    ),
    "STARTS_AT": Phrasings(  # {time}: "3.2 s"
        (
            "What starts at {time}?",
            "Which sound begins at {time}?",
            "Which sound sets in {time} after the beginning?",
        ),
        ("Name the sound whose onset is at {time}.", "At {time} a sound begins. Which one?"),
        ("What can be heard from {time} on, but not before?", "Whose sound has its beginning at {time}?"),
    ),
    "DURATION": Phrasings(
        (
            "How long does the sound of the {x} last?",
            "What is the duration of the sound of the {x} in seconds?",
            "For how many seconds can you hear the {x}?",
        ),
        (
            "Give the length of the sound of the {x} in seconds.",
            "How many seconds pass from the {x}'s beginning to its end?",
        ),
        ("Estimate how long the {x} sounds.", "From its start to its end, how many seconds does the {x} take?"),
    ),
    "SPAN": _ending(
        Phrasings(
            (
                "When does the sound of the {x} begin and end?",
                "From when to when does the {x} sound?",
                "In which span of time can you hear the sound of the {x}?",
            ),
            ("Give the times at which the {x} starts and stops.", "When do you hear the {x}, from when until when?"),
            ("Estimate the onset and the offset of the {x}'s sound.", "At what times does the {x} set in and fall silent?"),
        ),
        SPAN_CONVENTION,
    ),
    "ROOM_RT60": Phrasings(  # {bands}: "below 0.3 s, 0.3 to 0.6 s or above 0.6 s"
        (
            "What is the reverberation time of the room: {bands}?",
            "In which range is the RT60 of this room: {bands}?",
            "How long does the room reverberate (RT60): {bands}?",
        ),
        ("Choose the room's reverberation time: {bands}.", "Is the reverberation time (RT60) {bands}?"),
        ("Until sound has decayed by 60 dB, how long does it take here: {bands}?", "Name the range of the RT60: {bands}."),
    ),
    "ROOM_SIZE": Phrasings(
        (
            "Is the room small or large?",
            "Was this recorded in a large room or in a small one?",
            "What size is the room, small or large?",
        ),
        ("Do you hear a large or a small room?", "Does the room sound small or large?"),
        ("Judging by ear, is the space large or small?", "Would you call the room small or large?"),
    ),
    "ROOM_REVERB": Phrasings(
        (
            "Is the room dry or reverberant?",
            "Does the room sound reverberant or dry?",
            "What is the acoustics of the room, dry or reverberant?",
        ),
        ("Do you hear a reverberant or a dry room?", "Was this recorded in a dry or in a reverberant room?"),
        ("Judging by ear, is the space reverberant or dry?", "Would you call the acoustics dry or reverberant?"),
    ),
    "ROTATED": Phrasings(  # {turn}: "90 degrees to the left"
        (
            "After turning {turn}, where is the sound of the {x}?",
            "If you turn {turn}, where does the sound of the {x} come from?",
            "Where would the sound of the {x} be if you turned {turn}?",
        ),
        ("Turn {turn}. Where is the {x} now?", "Give the location of the sound of the {x} after a turn of {turn}."),
        ("Suppose you rotate {turn}: where is the {x} then?", "Having turned {turn}, from where do you hear the {x}?"),
    ),
    "ROTATED_AZIMUTH": _ending(
        Phrasings(
            (
                "After turning {turn}, at what azimuth is the sound of the {x}?",
                "If you turn {turn}, what is the azimuth of the sound of the {x} in degrees?",
                "What would the azimuth of the sound of the {x} be if you turned {turn}?",
            ),
            ("Turn {turn}. At which azimuth is the {x} now?", "Give the azimuth of the {x} after a turn of {turn}."),
            ("Suppose you rotate {turn}: which azimuth has the {x}?", "Having turned {turn}, at what azimuth is the {x}?"),
        ),
        AZIMUTH_CONVENTION,
    ),
    "PRESENT": Phrasings(
        (
            "Is there the sound of the {x} in the audio clip?",
            "Can you hear the sound of the {x}?",
            "Does the audio clip contain the sound of the {x}?",
        ),
        ("Is the {x} among the sounds?", "Is the sound of the {x} present?"),
        ("Do you notice the {x} anywhere?", "Does the {x} sound in this recording?"),
    ),
    "PRESENT_AT_PLACE": Phrasings(  # {place}: "right, front, below"; {distance}: "3 meters"
        (
            "Is the sound of the {x} coming from the {place}, approximately {distance} away?",
            "Can you hear the {x} from the {place}, approximately {distance} away?",
            "Is it the {x} that sounds from the {place}, approximately {distance} away?",
        ),
        ("Does the {x} sound at {place}, about {distance} away?", "At {place}, about {distance} away, is there the {x}?"),
        ("Would you say the {x} is at {place}, {distance} away?", "Do you hear the {x} {distance} away, {place}?"),
    ),
    "ABSENT": Phrasings(
        (
            "Where is the sound of the {x} coming from?",
            "Where is the {x}, if you hear it at all?",
            "At what distance and in which direction is the sound of the {x} located?",
        ),
        ("How would you describe the location of the sound of the {x}?", "If the {x} is there, where does it sound?"),
        ("Tell me where you hear the {x}.", "Locate the {x}, or say that it is not there."),
    ),
    "WRONG_PLACE": Phrasings(  # {side}: "on your left"
        (
            "Is the sound of the {x} {side}?",
            "Do you hear the {x} {side}?",
            "Is the {x} sounding {side}?",
        ),
        ("Does the sound of the {x} come from somewhere {side}?", "Can the {x} be heard {side}?"),
        ("Would you say that the {x} is {side}?", "Is it true that the {x} sounds {side}?"),
    ),
    "SWAPPED": Phrasings(  # {first}, {second}: "left, front, above, 2 meters away"
        (
            "Is the {x} at {first}, and the {y} at {second}?",
            "Does the {x} sound from {first}, and the {y} from {second}?",
            "Do you hear the {x} at {first}, and the {y} at {second}?",
        ),
        ("Is this right: the {x} at {first}, the {y} at {second}?", "Are the {x} at {first} and the {y} at {second}?"),
        ("Is it true that the {x} is at {first}, the {y} at {second}?", "The {x} at {first}, the {y} at {second}: correct?"),
    ),
}
_RELATION = Phrasings(  # {side}: "on the left of"
    (
        "Which sounds are {side} the sound of the {x}?",
        "What can you hear {side} the {x}?",
        "Name everything that sounds {side} the {x}.",
    ),
    ("List all the sounds {side} the sound of the {x}.", "What is {side} the {x}, as you hear it?"),
    ("Which of the sounds are {side} the {x}?", "As heard by you, what is {side} the sound of the {x}?"),
)
