"""Metrics of encoders as Spatial-AST's released evaluation computes them, with left/right, front/behind and above/below
added."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from spatial_llm.geometry import azimuth_from_bat_class, elevation_from_bat_class, great_circle_deg

ERROR_DEG = 20.0  # threshold of ER20


def localization_errors(logits: dict[str, NDArray], labels: dict[str, NDArray]) -> tuple[NDArray, NDArray]:
    """Returns, for N recordings, the great-circle error in degrees and whether the distance is more than one class (0.5 m)
    off."""
    azimuth, elevation = logits["azimuth"].argmax(axis=-1), logits["elevation"].argmax(axis=-1)
    error_deg = great_circle_deg(
        azimuth_from_bat_class(azimuth),
        elevation_from_bat_class(elevation),
        azimuth_from_bat_class(labels["azimuth"]),
        elevation_from_bat_class(labels["elevation"]),
    )
    return error_deg, np.abs(logits["distance"].argmax(axis=-1) - labels["distance"]) > 1


def sides(logits: dict[str, NDArray], labels: dict[str, NDArray]) -> dict[str, NDArray[np.bool_]]:
    """Returns, for N recordings, whether each of "left_right", "front_behind" and "above_below" is right."""
    azimuth, true_azimuth = (azimuth_from_bat_class(k) for k in (logits["azimuth"].argmax(axis=-1), labels["azimuth"]))
    elevation, true_elevation = (
        elevation_from_bat_class(k) for k in (logits["elevation"].argmax(axis=-1), labels["elevation"])
    )
    return {
        "left_right": (azimuth >= 0) == (true_azimuth >= 0),
        "front_behind": (np.abs(azimuth) <= 90) == (np.abs(true_azimuth) <= 90),
        "above_below": (elevation >= 0) == (true_elevation >= 0),
    }


def encoder_scores(logits: dict[str, NDArray], labels: dict[str, NDArray]) -> dict[str, float]:
    """Scores N recordings.

    Args:
        logits: "event" (N, classes), "distance", "azimuth", "elevation" (N, their classes).
        labels: "event" (N, classes) multi-hot, the others (N,) class indices.

    Returns:
        event_accuracy (the highest logit is one of the labels), event_map (macro average over the classes that occur),
            mae_deg and er20 (great circle), left_right, front_behind, above_below (accuracies), der (share of distances more
            than one class, 0.5 m, off), n. Shares lie in 0 to 1.
    """
    event = logits["event"].argmax(axis=-1)
    error_deg, distance_wrong = localization_errors(logits, labels)
    occurring = labels["event"].sum(axis=0) > 0
    average_precision = [
        average_precision_score(labels["event"][:, k] > 0, logits["event"][:, k]) for k in np.flatnonzero(occurring)
    ]
    scores = {
        "event_accuracy": labels["event"][np.arange(len(event)), event] > 0,
        "event_map": average_precision,
        "mae_deg": error_deg,
        "er20": error_deg > ERROR_DEG,
        **sides(logits, labels),
        "der": distance_wrong,
    }
    return {name: float(np.mean(value)) for name, value in scores.items()} | {"n": len(error_deg)}
