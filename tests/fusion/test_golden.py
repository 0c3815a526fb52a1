"""Logits of a tiny model of each fusion, frozen: what a saved model answers must not change with this library.

The weights and inputs are sines of the positions of their numbers, so that they are the same everywhere. To write the values
anew, which makes every saved model of a fusion answer otherwise: `python tests/fusion/test_golden.py`.
"""

import json
import zlib
from pathlib import Path

import pytest
import torch

from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration
from spatial_llm.testing import TINY_FUSIONS, TINY_LANGUAGE_MODELS, tiny_config

GOLDEN = Path(__file__).parents[1] / "golden" / "fusion_logits.json"
VALUES = 6
CASES = {
    **{name: (name, "llama", {}) for name in TINY_FUSIONS if name != "prefix"},
    **{f"lal {family}": ("lal", family, {}) for family in TINY_LANGUAGE_MODELS},
    "lal, llm's norm, no positions": ("lal", "llama", {"norm": "llm", "positions": "none"}),
    "lal, no norm, a projector a layer": ("lal", "llama", {"norm": "none", "share": False, "layers": [0, 1]}),
    "hybrid, queries, last": ("hybrid", "llama", {"summary_origin": "query", "summary_position": "last"}),
    "gated, norms": ("gated_cross_attention", "llama", {"qk_norm": True, "layers": [0, 1]}),
}


def waves(name, shape):
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(count * 0.7 + zlib.crc32(name.encode()) % 1000).reshape(shape).float()


@torch.no_grad()
def found(fusion, family, changes):
    encoder = "dspast" if fusion == "per_encoder" else "spatial_ast"
    given = tiny_config("SpatialLLMConfig", encoder, fusion=fusion, language_model=family).to_dict()
    given["fusion"] |= changes
    model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(**given)).eval()
    for name, parameter in model.named_parameters():
        parameter.copy_(0.5 * waves(name, parameter.shape) + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
    words = torch.tensor([[7, 40, 41, 42, 43]])
    count = model.config.num_audio_tokens
    ids = torch.cat([words[:, :1], torch.full((1, count), model.config.audio_token_id), words[:, 1:]], dim=1)
    layout = model.config.encoder_config.token_layout
    hidden = waves("audio", (1, layout.num_tokens, model.config.encoder_config.hidden_size))
    return model(input_ids=ids, audio_hidden_states=hidden).logits[0, -1, :VALUES].tolist()


@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_the_first_version(case):
    assert found(*CASES[case]) == pytest.approx(json.loads(GOLDEN.read_text())[case], abs=1e-4)


def test_fusions_differ():
    values = json.loads(GOLDEN.read_text())
    assert set(values) == set(CASES)
    assert len({tuple(each) for each in values.values()}) == len(CASES) - 1  # lal is there with llama twice


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({case: [round(x, 5) for x in found(*CASES[case])] for case in CASES}, indent=1) + "\n")
