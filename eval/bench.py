"""Measures speed as ratios, both sides alternately in one run on this machine.

    make bench        or        python eval/bench.py [--repeats 7] [--out bench.json]

1. front end: waveform to the four SpatialAST cues, ours (FFT) against the same planes on torchlibrosa's convolutional
   STFT, as in the official code; 2 clips of 10 s.
2. DSpAST: three branches stacked along the batch against one after the other, in three passes through the trunk; one clip,
   at full size and at that of recipes/configs/demo_train/encoder.yaml.

Both run with one thread, as in a worker of a data loader, and with all cores, after a check that both sides give the same
numbers. It takes about three minutes on 2 cores.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchlibrosa
from tqdm import tqdm
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from spatial_llm.audio.cues import SPATIAL_AST_CUES, FrontEnd, binaural_cues
from spatial_llm.door import door
from spatial_llm.encoders import DSpASTConfig, DSpASTModel
from spatial_llm.encoders.heads import SpatialEncoderOutput
from spatial_llm.files import write_json
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments

FRONT_END = {"sampling_rate": 32_000, "n_fft": 1024, "hop_length": 320, "num_mel_bins": 128, "f_min": 50.0,
             "f_max": 14_000.0}  # fmt: skip
TINY = {"hidden_size": 144, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 576, "duration_s": 2.0,
        "n_fft": 4096, "hop_length": 2000, "num_mel_bins": 64, "num_frames": 33, "patch_size": (33, 8)}  # fmt: skip


@dataclass
class BenchArguments:
    """Sets how often to measure, and where to write."""

    repeats: Count = 7
    out: str = "bench.json"
    seed: Seed = 0


class ConvolutionalFrontEnd(torch.nn.Module):
    """Computes the four cues with torchlibrosa's convolutional STFT: (B, 2, samples) -> (B, 4, frames, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = torchlibrosa.STFT(n_fft=1024, hop_length=320)
        self.logmel = torchlibrosa.LogmelFilterBank(sr=32_000, n_fft=1024, n_mels=128, fmin=50, fmax=14_000, top_db=None)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        real, imag = self.stft(waveform.flatten(0, 1))  # (B * 2, 1, frames, bins)
        logmel = self.logmel(torch.sqrt(real**2 + imag**2)).unflatten(0, (-1, 2)).squeeze(2)
        left, right = torch.atan2(imag, real).unflatten(0, (-1, 2)).squeeze(2).unbind(1)
        difference = right - left
        planes = [torch.cos(difference) @ self.logmel.melW, torch.sin(difference) @ self.logmel.melW]
        return torch.cat([logmel, torch.stack(planes, dim=1)], dim=1)


class SequentialDSpAST(DSpASTModel):
    """Runs DSpAST one branch after the other: the same output and entry, by three passes through the trunk."""

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(self, input_features: torch.Tensor, **kwargs: Any) -> SpatialEncoderOutput:
        features = self.cue_norm(input_features)
        mean = features.mean(dim=(2, 3))
        slices, gates = [], []
        for k, branch in enumerate(self.branches):
            plane, weights = branch(features, mean)
            hidden = torch.cat([self.cls_tokens[k].expand(len(features), -1, -1), self.patch_embeddings(plane)], dim=1)
            for layer in self.layers:
                hidden = layer(hidden, **kwargs)
            slices.append(self.branch_heads[k](hidden))
            gates.append(weights)
        return SpatialEncoderOutput(last_hidden_state=torch.cat(slices, dim=-1), feature_attention=torch.stack(gates, dim=1))


def compare(name: str, ours: Callable[[], torch.Tensor], other: Callable[[], torch.Tensor], repeats: int) -> dict:
    """Returns the seconds of both sides, measured alternately, and the median of the ratios other / ours."""
    torch.testing.assert_close(ours(), other(), rtol=1e-3, atol=1e-3)  # also the warm-up
    pairs = []
    for _ in tqdm(range(repeats), desc=name):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        other()
        pairs.append((middle - start, time.perf_counter() - middle))
    ratios = sorted(second / first for first, second in pairs)
    return {
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_min": round(ratios[0], 2),
        "ratio_max": round(ratios[-1], 2),
        "ours_ms": round(1e3 * statistics.median(first for first, _ in pairs), 2),
        "other_ms": round(1e3 * statistics.median(second for _, second in pairs), 2),
    }


def encoder_pair(config: DSpASTConfig, frames: int) -> tuple[Callable, Callable]:
    stacked, sequential = DSpASTModel(config).eval(), SequentialDSpAST(config).eval()
    sequential.load_state_dict(stacked.state_dict())
    features = torch.randn(1, 6, frames, config.num_mel_bins)
    return lambda: stacked(features).last_hidden_state, lambda: sequential(features).last_hidden_state


@torch.inference_mode()
def main(arguments: BenchArguments) -> None:
    torch.manual_seed(arguments.seed)
    waveform, official = 0.1 * torch.randn(2, 2, 320_000), ConvolutionalFrontEnd().eval()
    pairs = {
        "front end, FFT against convolutional STFT": (
            lambda: binaural_cues(waveform, SPATIAL_AST_CUES, FrontEnd(**FRONT_END)),
            lambda: official(waveform),
        ),
        "DSpAST full size, stacked against sequential branches": encoder_pair(DSpASTConfig(), frames=1001),
        "DSpAST tiny size, stacked against sequential branches": encoder_pair(DSpASTConfig(**TINY), frames=33),
    }
    results: dict[str, dict] = {}
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        for name, pair in pairs.items():
            results[f"{name}, {threads} thread{'s' * (threads > 1)}"] = compare(name, *pair, arguments.repeats)
    write_json(arguments.out, {"results": results, **provenance(arguments.seed)})
    for name, result in results.items():
        print(f"{name}: {result['ratio_median']} x faster ({result['ours_ms']} ms against {result['other_ms']} ms)")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
