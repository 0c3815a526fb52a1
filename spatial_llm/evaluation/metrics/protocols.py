"""The protocols by name: how a number is measured, and therefore with which numbers it may be compared.

A protocol is one of these, alone or followed by the embedding ("bat, all-MiniLM-L6-v2"). A task selects protocols by their
first word.
"""

BAT, DSPAST, EXACT, TEXT, DIAGNOSTIC = "bat", "dspast", "exact", "text", "diagnostic"
# General hearing, as LTU and PAL measure it, but by another embedding and other words: see `general_hearing`.
HEARING_CLASSES, HEARING_LABELS, HEARING_CAPTIONS = "hearing_classes", "hearing_labels", "hearing_captions"
BALANCED = f"{DIAGNOSTIC}, balanced"
REGION = f"{DIAGNOSTIC}, region"
ANGLE = f"{DIAGNOSTIC}, angle"
DISTANCE = f"{DIAGNOSTIC}, distance"
RELATIVE = f"{DIAGNOSTIC}, relative"
LABELS = f"{DIAGNOSTIC}, labels"
COUNT = f"{DIAGNOSTIC}, count"
TIME = f"{DIAGNOSTIC}, time"
HALLUCINATION = f"{DIAGNOSTIC}, hallucination"
RELIABILITY = f"{DIAGNOSTIC}, reliability"
STEPS = f"{DIAGNOSTIC}, steps"
PROTOCOLS = {
    BAT: "BAT (arXiv 2402.01591). A, C: average precision over the label set, cosine of answer and label as the score "
    "(the embedding is part of the protocol), mean over labels with a positive. B, D: direction_acc = all three "
    "direction words right; DER = distance more than 0.5 m off, or unparsed. E: exactly yes or no; E_acc = plain mean "
    "of direction and distance.",
    DSPAST: "As the text of DSpAST words it (arXiv 2509.13927): mean cosine of answer and true answer.",
    EXACT: "Question families of this library: the value read from the answer is the true one; how near a wrong one is "
    "does not count.",
    TEXT: "Questions of one's own with free answers: mean cosine of the answer and the true answer. It says how alike two "
    "texts are, not whether one is right: it is high for left instead of right. The embedding is part of the protocol.",
    HEARING_CLASSES: "After LTU and PAL (arXiv 2305.10790, 2506.10423): the label of a set that is nearest to a free "
    "answer, by cosine of their embeddings. The embedding is part of the protocol, and is not that of those works "
    "(text-embedding-ada-002), so that no value may stand beside theirs. Computed if a task asks for it.",
    HEARING_LABELS: "As hearing_classes, with the cosine as the score of each label: average precision, mean over the "
    "labels that occur. Computed if a task asks for it.",
    HEARING_CAPTIONS: "CIDEr (arXiv 1411.5726) by pycocoevalcap, whose Java tokenizer is replaced: words without "
    "punctuation and case. scene_tuple_F1 is our own and not SPICE: F1 of what two captions say of sounds, places and "
    "times. Computed if a task asks for it.",
    DIAGNOSTIC: "In no published table: single axes, questions of type E that are not yes or no, and the names of BAT's "
    "metrics on our own families.",
    BALANCED: "Mean over the true classes of the share of right answers: an answer that is always the same scores 1 / "
    "classes.",
    REGION: "Region distance, in degrees, of answers in words: from the bearing in the record to the nearest point of the "
    "octant that the three words name, 0 inside. Not comparable with an angle between two points. Mean and median are over "
    "the answers that parse; in region_ER20 the others count as wrong.",
    ANGLE: "Degrees between two points. Sides are read off the angle where the true one is at least 10 degrees clear. Means "
    "and medians are over the answers that parse; in ER20 and in the shares the others count as wrong. great_circle: of "
    "answers in degrees where words were asked for, over these answers alone, against the bearing in the record.",
    DISTANCE: "Metres; over the answers that parse. DER counts the others as wrong.",
    RELATIVE: "Of distances and durations as a share of the true one: more than 20 % off, or unparsed; mean error of those "
    "that parse.",
    LABELS: "Names read from the answer by the parser, no embedding: exactly the true set, and F1 of the two sets, 0 where "
    "unparsed, averaged over the items.",
    COUNT: "How far the answered number is from the true one, over the answers that parse.",
    TIME: "onset_error: seconds between the true onset and the answered one; where a sound is asked for, that of the sound "
    "named, where it sounds at all. temporal_iou: intersection over union of the answered and the true span, 0 where "
    "unparsed. length_ratio: the shorter of two lengths over the longer, 0 where unparsed. Errors are over the answers "
    "that parse.",
    HALLUCINATION: "Does it say no where no is due (Kuan et al., arXiv 2406.08402): to sounds that are absent, at a wrong "
    "place, or exchanged. The positive class is no.",
    RELIABILITY: "Refusals (Ma et al., arXiv 2505.19294) over all items, right by the main measure of each question type.",
    STEPS: "The steps of answers that are thought out, beside their conclusion: right against the true steps; faithful and "
    "follows against the answer's own values and comparisons, true or not. What is not stated is not right.",
}


def family_name(protocol: str) -> str:
    """Returns the first word, by which a task selects the protocol."""
    return protocol.split(",")[0]


def rule_of(protocol: str) -> tuple[str, str]:
    """Returns the key of `PROTOCOLS` that a protocol belongs to, and its text."""
    key = protocol if protocol in PROTOCOLS else family_name(protocol)
    return key, PROTOCOLS[key]
