"""Names the metrics in plain words, beside their codes: the one table for everything that is printed, drawn or shipped.

A code is a prefix (the question type, see `metrics.type_metrics`) and a suffix (the measure). Most names follow from both;
the table of whole names holds the others. Benchmarks of others keep their codes alone.
"""

WHOLE = {
    "A_mAP": "event named, mean average precision (A)",
    "C_mAP": "what sounds from there, mean average precision (C)",
    "C_set_acc": "what sounds from there (C)",
    "E_acc": "yes or no, direction and distance (E)",
    "E_direction_acc": "yes or no, direction (E)",
    "E_distance_acc": "yes or no, distance (E)",
    "NEAREST_exact": "nearest sound",
    "FARTHEST_exact": "farthest sound",
    "COUNT_SOURCES_exact": "number of sources",
    "AZIMUTH_DEG_within_20": "azimuth within 20 degrees",
    "AZIMUTH_CLOCK_exact": "azimuth by the clock",
    "ELEVATION_DEG_within_20": "elevation within 20 degrees",
    "ROTATED_direction_acc": "8-way direction after a turn",
    "reliability": "reliability of answers and refusals",
    "reliability_accuracy": "right, over all questions",
    "reliability_truthfulness": "right or refused, over all questions",
    "reliability_rejection_rate": "refused, over all questions",
    "mAP": "event, mean average precision",
    "ER20": "direction more than 20 degrees off",
    "MAE_deg": "direction, mean great-circle error",
    "DER": "distance off by more than 0.5 m",
    "left_right": "left or right",
    "eight_way": "left or right, front or behind, above or below, all three",
}
PREFIXES = {
    "A": "event named, {} (A)",
    "B": "{} (B)",
    "C": "what sounds from there, {} (C)",
    "D": "{} of the named sound (D)",
    "E_direction": "yes or no, direction, {} (E)",
    "E_distance": "yes or no, distance, {} (E)",
    "E_nonbinary_direction": "direction of one sound from another, {} (E)",
    "E_nonbinary_distance": "distance between two sounds, {} (E)",
    "E_nonbinary_source": "which of two sounds, {} (E)",
    "AZIMUTH_DEG": "azimuth, {}",
    "AZIMUTH_CLOCK": "azimuth by the clock, {}",
    "ELEVATION_DEG": "elevation, {}",
    "DISTANCE": "distance, {}",
    "COUNT_SOURCES": "number of sources, {}",
    "COUNT_CLASSES": "number of kinds of sounds, {}",
    "NEAREST": "nearest sound, {}",
    "FARTHEST": "farthest sound, {}",
    "RELATION_LEFT": "what is on the left of a sound, {}",
    "RELATION_RIGHT": "what is on the right of a sound, {}",
    "RELATION_FRONT": "what is in front of a sound, {}",
    "RELATION_BEHIND": "what is behind a sound, {}",
    "SAME_CLASS": "places of all sounds of a kind, {}",
    "ONSET_FIRST": "which sound begins first, {}",
    "ONSET_ORDER": "order of the sounds, {}",
    "STARTS_AT": "what begins at a time, {}",
    "DURATION": "length of a sound, {}",
    "SPAN": "when a sound is heard, {}",
    "OVERLAP": "do two sounds overlap in time, {}",
    "ROOM_RT60": "reverberation time, {}",
    "ROOM_SIZE": "size of the room, {}",
    "ROOM_REVERB": "how reverberant the room is, {}",
    "ROTATED": "place after a turn, {}",
    "ROTATED_AZIMUTH": "azimuth after a turn, {}",
    "PRESENT": "is there such a sound, {}",
    "PRESENT_AT_PLACE": "is there such a sound at a place, {}",
    "ABSENT": "place of a sound that may be absent, {}",
    "WRONG_PLACE": "is a sound at a place where it is not, {}",
    "SWAPPED": "are two sounds where the other is, {}",
    "OPEN": "answers in free text, {}",
    "hallucination_absent_sound": "says no to absent sounds, {}",
    "hallucination_wrong_place": "says no to wrong places, {}",
    "hallucination_swapped": "says no to exchanged places, {}",
}
SUFFIXES = {
    "acc": "right",
    "exact": "right",
    "set_acc": "set equal",
    "balanced_acc": "right, mean over the true answers",
    "direction_acc": "8-way direction",
    "direction_balanced_acc": "8-way direction, mean over the directions",
    "left_right_acc": "left or right",
    "front_behind_acc": "front or behind",
    "above_below_acc": "above or below",
    "region_ER20": "direction more than 20 degrees outside the octant named",
    "region_distance_mean": "direction, mean distance to the octant named",
    "region_distance_median": "direction, median distance to the octant named",
    "great_circle_ER20": "direction in degrees, more than 20 off",
    "great_circle_mean": "direction in degrees, mean error",
    "great_circle_median": "direction in degrees, median error",
    "DER": "distance off by more than 0.5 m",
    "DER_relative": "distance off by more than 20 %",
    "distance_MAE": "distance, mean error",
    "distance_RMSE": "distance, root of the mean squared error",
    "distance_pearson": "distance, correlation",
    "distance_spearman": "distance, rank correlation",
    "distance_relative_error": "distance, mean error as a share",
    "relative_error": "mean error as a share",
    "MAE": "mean error",
    "RMSE": "root of the mean squared error",
    "pearson": "correlation",
    "spearman": "rank correlation",
    "median_error": "median error",
    "ER20": "more than 20 degrees off",
    "ER_relative": "more than 20 % off",
    "within_20": "within 20 degrees",
    "hour_error": "mean error in hours",
    "onset_error": "mean error of the beginning",
    "offset_error": "mean error of the end",
    "temporal_iou": "overlap in time",
    "iou_at_least_50": "overlap in time of at least half",
    "length_ratio": "ratio of lengths",
    "F1": "overlap of the names (F1)",
    "mean_cosine": "mean cosine with the true answer",
    "f1_no": "F1",
    "precision_no": "precision",
    "recall_no": "recall",
    "yes_rate": "share of yes",
}


def plain_name(code: str) -> str | None:
    """Returns what a metric measures in plain words, by its code in scores.json or encoder.json; None if it has no name."""
    if code in WHOLE:
        return WHOLE[code]
    for end in (index for index, letter in enumerate(code) if letter == "_"):
        prefix, suffix = code[:end], code[end + 1 :]
        if prefix in PREFIXES and suffix in SUFFIXES:
            return PREFIXES[prefix].format(SUFFIXES[suffix])
    return None


def titled(code: str) -> str:
    """Formats a metric as Markdown: "left or right (B), `B_left_right_acc`"; without a plain name the code alone."""
    plain = plain_name(code)
    return f"`{code}`" if plain is None else f"{plain}, `{code}`"
