"""The Q-Former projector: its size, where it looks at the audio, and the two helps for training it from nothing."""

import pytest
import torch

from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import QFormerProjector, QFormerProjectorConfig
from spatial_llm.testing import tiny_config, tiny_inputs


def _tiny(**fields):
    config = tiny_config("QFormerProjector")
    for name, value in fields.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    return QFormerProjector(config).eval()


def test_full_size_counts_69_367_296_parameters():
    with torch.device("meta"):
        projector = QFormerProjector(QFormerProjectorConfig())
    assert sum(parameter.numel() for parameter in projector.parameters()) == 69_367_296
    assert projector.norm.eps == 1e-5
    assert projector.qformer.layernorm.eps == 1e-12
    crossed = [i for i, layer in enumerate(projector.qformer.encoder.layer) if layer.has_cross_attention]
    assert crossed == [0, 2, 4, 6]


def test_cross_attention_frequency_chooses_the_layers():
    layers = _tiny(cross_attention_frequency=1).qformer.encoder.layer
    assert [layer.has_cross_attention for layer in layers] == [True, True]


def test_queries_are_drawn_from_a_unit_normal():
    query = _tiny(num_query_tokens=500).query
    assert query.mean().abs() < 0.02
    assert abs(query.std() - 1) < 0.02


def test_output_is_a_layer_norm_away_from_the_audio():
    projector = _tiny()
    embeds = projector(**tiny_inputs(projector.config)).last_hidden_state
    assert embeds.shape == (3, 4, 32)
    torch.testing.assert_close(embeds.mean(-1), torch.zeros(3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(embeds.var(-1, unbiased=False), torch.ones(3, 4), atol=5e-3, rtol=0)


def test_encoder_tokens_are_a_set_without_order_or_mask():
    projector = _tiny()
    tokens = tiny_inputs(projector.config)["audio_hidden_states"]
    heard, flipped, cut = (projector(audio)[0] for audio in (tokens, tokens.flip(1), tokens[:, 1:]))
    torch.testing.assert_close(heard, flipped)
    assert not torch.allclose(heard, cut)


def test_attentions_to_queries_and_to_audio_are_told_apart():
    projector = _tiny()  # two layers, of which the first looks at the audio
    projector.set_attn_implementation("eager")
    output = projector(**tiny_inputs(projector.config), output_attentions=True, output_hidden_states=True)
    assert [weights.shape for weights in output.attentions] == [(3, 4, 4, 4)] * 2
    assert [weights.shape for weights in output.cross_attentions] == [(3, 4, 4, 7)]
    assert [states.shape for states in output.hidden_states] == [(3, 4, 32)] * 3


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable. is deprecated")
def test_checkpointing_changes_no_gradient():
    projector = _tiny(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    gradients = []
    for _ in range(2):
        projector(**tiny_inputs(projector.config)).last_hidden_state[..., 0].sum().backward()
        gradients.append([parameter.grad.clone() for parameter in projector.parameters()])
        projector.zero_grad()
        projector.gradient_checkpointing_enable()
    assert projector.qformer.encoder.layer[0].gradient_checkpointing
    torch.testing.assert_close(*gradients)


WORDS = torch.linspace(-1, 1, 320).reshape(10, 32)  # an embedding table


def test_start_standardises_every_channel_of_the_input():
    projector = _tiny(standardize_inputs=True)
    tokens = 5 + 100 * tiny_inputs(projector.config, batch_size=40)["audio_hidden_states"]
    tokens[..., 7] = 3.0  # a dead channel
    seen = []
    projector.qformer.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["encoder_hidden_states"]), with_kwargs=True
    )
    projector.start(lambda: tokens, WORDS.std().item())
    projector(tokens)
    std = torch.ones(48)
    std[7] = 0
    torch.testing.assert_close(seen[0].mean((0, 1)), torch.zeros(48), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[0].flatten(0, 1).std(0), std, atol=1e-4, rtol=0)


def test_start_brings_the_output_to_the_size_of_the_words():
    projector = _tiny(standardize_inputs=True)
    tokens = tiny_inputs(projector.config)["audio_hidden_states"]
    projector.start(lambda: tokens, 0.02 * WORDS.std().item())
    assert projector(tokens).last_hidden_state.std().item() == pytest.approx(0.02 * WORDS.std().item(), rel=0.02)


def test_what_start_found_survives_saving(tmp_path):
    projector = _tiny(standardize_inputs=True)
    tokens = 3 + tiny_inputs(projector.config)["audio_hidden_states"]
    projector.start(lambda: tokens, WORDS.std().item())
    projector.save_pretrained(tmp_path)
    loaded = QFormerProjector.from_pretrained(tmp_path)
    assert torch.equal(loaded.input_mean, projector.input_mean)
    assert torch.equal(loaded(tokens)[0], projector(tokens)[0])


def test_start_leaves_a_projector_of_bat_as_it_is_and_needs_finite_tokens():
    tokens = tiny_inputs(tiny_config("QFormerProjector"))["audio_hidden_states"]
    projector = _tiny()
    before = {name: tensor.clone() for name, tensor in projector.state_dict().items()}
    projector.start(lambda: pytest.fail("encoding a sample takes time"), 1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in projector.state_dict().items())
    with pytest.raises(SpatialLLMError, match="NaN"):
        _tiny(standardize_inputs=True).start(lambda: torch.full_like(tokens, float("nan")), 1.0)
    with pytest.raises(SpatialLLMError, match="deviation of 0"):
        _tiny(standardize_inputs=True).start(lambda: tokens, 0.0)
