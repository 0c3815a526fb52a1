"""How a model that hears in codes uses them on recordings, and how much of these they keep."""

from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from spatial_llm.data.dataset import CueDataset, SpatialQADataset
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM
from spatial_llm.projectors import CodebookUse, RVQProjector


@torch.no_grad()
def measure_codes(model: SpatialLLM, manifest: str | Path, recordings: int, progress: bool = True) -> CodebookUse:
    """Returns the use and the error of a model's codes.

    Args:
        model: whose projector is an `RVQProjector`.
        manifest: of questions; each of its recordings counts once.
        recordings: how many are heard, evenly spaced in the manifest; their encoder output is in memory at once.
        progress: show a bar.

    Raises:
        SpatialLLMError: the model has another projector.
        ManifestError: the manifest is not one, or files are missing.
    """
    net, extractor = model.model, model.processor.feature_extractor
    if not isinstance(net.projector, RVQProjector):
        raise SpatialLLMError(
            f"this model has no codes: its projector is a {net.projector.config.model_type}; one with codes is trained with "
            f"{RVQProjector.config_class.model_type}."
        )
    config = net.config.encoder_config
    dataset = SpatialQADataset(manifest, config.sampling_rate, config.window_samples, format=extractor.format)
    cues = CueDataset(dataset.recordings, dataset.records.root, extractor, config.window_samples)
    chosen = range(0, len(cues), -(-len(cues) // recordings))
    hidden = [_encoded(net, cues[index]) for index in tqdm(chosen, unit="recording", disable=not progress)]
    layout = config.token_layout
    slices = net.fusion.projector_slices(layout)
    return net.projector.measure(layout.channels_of(slices, torch.cat(hidden)), layout.select(slices))


def _encoded(net: Any, cues: torch.Tensor) -> torch.Tensor:
    return net.encoder(input_features=cues[None].to(net.device, net.encoder.dtype)).last_hidden_state


def format_use(use: CodebookUse, size: int) -> str:
    """Returns the numbers as a table, a row for each level; `size` is the number of codes of a level."""
    lines = [f"| level | perplexity of {size} | codes used | error of the levels so far |", "|---|---|---|---|"]
    for level, (perplexity, used, error) in enumerate(zip(use.perplexity, use.used, use.errors, strict=True), start=1):
        lines.append(f"| {level} | {perplexity:.1f} | {100 * used:.0f} % | {error:.3f} |")
    return "\n".join(lines)
