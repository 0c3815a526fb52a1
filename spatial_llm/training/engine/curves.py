"""Plots the training loss of a run, or of each of its stages."""

import json
from collections.abc import Mapping
from pathlib import Path

from spatial_llm.files import atomic_path


def read_losses(metrics: str | Path) -> tuple[list[int], list[float]]:
    """Reads steps and training losses from a metrics.jsonl."""
    rows = [json.loads(line) for line in Path(metrics).read_text(encoding="utf-8").splitlines()]
    found = [(row["step"], row["loss"]) for row in rows if "loss" in row and "step" in row]
    return [step for step, _ in found], [loss for _, loss in found]


def plot_losses(stages: Mapping[str, str | Path], out: str | Path) -> None:
    """Plots one curve per stage, side by side.

    Args:
        stages: the metrics.jsonl of each stage, by name.
        out: the PNG file to write. A stage shorter than `schedule.log_every` has logged no loss, which its title states.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(stages), 3), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, metrics) in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages.items(), strict=True):
        steps, losses = read_losses(metrics)
        axes.plot(steps, losses, marker="." if len(steps) < 40 else "")
        axes.set(
            title=name if steps else f"{name} (nothing logged)",
            xlabel="optimiser step",
            ylabel="training loss (nats a token)",
        )
        axes.grid(alpha=0.3)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
