"""CPU measurements of `eval/bench_training.py`: two ways of one thing side by side, and the gradient of an encoder in two
ways."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from tqdm import tqdm

from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization
from spatial_llm.training.encoder.run import written_out_attention


def compare(name: str, ours: Callable[[], object], other: Callable[[], object], repeats: int) -> dict[str, float]:
    """Returns the seconds of both, measured alternately after a warm-up, and the median of the ratios other / ours."""
    pairs = []
    for _ in tqdm(range(repeats + 1), desc=name):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        other()
        pairs.append((middle - start, time.perf_counter() - middle))
    del pairs[0]
    ours_s, other_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"ratio_median": round(statistics.median(b / a for a, b in pairs), 2), "ours_s": ours_s, "other_s": other_s}


def encoder_gradients(batch: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Times forward and backward of an encoder of the shipped one's width and patches, in bf16 on the CPU: with attention
    written out as in its training, and with torch's choice."""
    config = DSpASTConfig(hidden_size=192, num_hidden_layers=3, num_attention_heads=6, intermediate_size=768,
                          num_mel_bins=64, num_frames=33, patch_size=[3, 8])  # fmt: skip
    model = DSpASTForLocalization(config).train()
    cues = torch.randn(batch, len(config.cues), config.num_frames, config.num_mel_bins)

    def step(precision: str) -> None:
        with written_out_attention(model, precision), torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(input_features=cues)
            (output.last_hidden_state.float().square().mean() + output.azimuth_logits.mean()).backward()

    return partial(step, "bf16"), partial(step, "fp32")
