"""Clips of different lengths: a projector says by a mask which tokens a clip has, and only these get placeholders."""

import torch

from spatial_llm import SpatialLLMForConditionalGeneration
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.testing import tiny_config, tiny_inputs


def test_tokens_that_a_clip_lacks_take_no_place_in_the_prompt(monkeypatch):
    config = tiny_config("SpatialLLMForConditionalGeneration")
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(config).eval()
    inputs = tiny_inputs(config, batch_size=2)
    whole, tokens = model.projector.forward, config.num_audio_tokens
    short = torch.arange(tokens) < tokens - 2

    def with_mask(*args, **kwargs):
        made = whole(*args, **kwargs)
        mask = torch.stack([torch.ones(tokens, dtype=torch.bool), short])
        return AudioTokens(last_hidden_state=made.last_hidden_state, mask=mask)

    def one_short(*args, **kwargs):
        return AudioTokens(last_hidden_state=whole(*args, **kwargs).last_hidden_state[:, short])

    ids = inputs["input_ids"].clone()
    ids[1, :2] = ids[1, -1]  # two words in place of the placeholders that the second clip does not need
    features = inputs["input_features"]
    with torch.no_grad():
        first = model(input_ids=ids[:1], input_features=features[:1]).logits
        monkeypatch.setattr(model.projector, "forward", one_short)
        second = model(input_ids=ids[1:], input_features=features[1:]).logits
        monkeypatch.setattr(model.projector, "forward", with_mask)
        both = model(input_ids=ids, input_features=features)
        assert model.get_audio_features(input_features=features).audio_mask.sum(1).tolist() == [tokens, tokens - 2]
    torch.testing.assert_close(both.logits[:1], first)
    torch.testing.assert_close(both.logits[1:], second)
