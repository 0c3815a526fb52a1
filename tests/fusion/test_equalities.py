"""What each fusion computes, against independent computations: the language model alone, prefix, and an oracle that runs the
plain language model over all rows and resets the rows of the audio."""

import copy

import pytest
import torch

from spatial_llm.fusion.context import ARGUMENT
from tests.fusion.conftest import LAYERS, composite, prompts
from tests.fusion.test_generation import MLP

FAMILIES = ("llama", "qwen2", "qwen3", "smollm3")


def everywhere(**fields):
    return {"type": "lal", "width": 24, "norm": "llm", **fields}


def all_rows(model, inputs):
    """The unfused prompt: embeddings (1, length, width) of the text, where the audio is, and its tokens in each layer."""
    ids = inputs["input_ids"]
    audio = ids == model.config.audio_token_id
    embeds = model.get_input_embeddings()(ids)
    return embeds, audio, inputs["audio_embeds"].flatten(0, 1)


def oracle(model, inputs, reset, fused):
    """Logits (1, text, vocabulary) of the language model alone over all rows, in eager attention.

    Args:
        reset: layer index -> rows that replace the audio's in the residual stream before it.
        fused: layers in which text may attend to the audio; in the others only the audio itself does.
    """
    embeds, audio, _ = all_rows(model, inputs)
    language_model = copy.deepcopy(model.language_model)
    language_model.set_attn_implementation("eager")
    length = embeds.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    apart = causal & (audio[0][:, None] == audio[0][None]) | torch.eye(length, dtype=torch.bool)
    least = torch.finfo(torch.float32).min
    masks = [torch.where(causal if layer in fused else apart, 0.0, least)[None, None] for layer in range(LAYERS)]

    def before(module, args, kwargs):
        hidden, index = args[0], module.self_attn.layer_idx
        if index in reset:
            hidden = hidden.masked_scatter(audio.unsqueeze(-1), reset[index])
        return (hidden, *args[1:]), {**kwargs, "attention_mask": masks[index]}

    for layer in language_model.get_decoder().layers:
        layer.register_forward_pre_hook(before, with_kwargs=True)
    positions = torch.arange(length)[None]
    logits = language_model(inputs_embeds=embeds, position_ids=positions, attention_mask=torch.ones(1, length)).logits
    return logits[~audio].unsqueeze(0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", [[0, 1, 2, 3], [2, 3], [0, 2], [3]])
@torch.no_grad()
def test_lal_is_audio_as_input_of_the_layers_own_attention(family, layers):
    model = composite(everywhere(layers=layers), family)
    inputs = prompts(model, "ttAttAt")
    _, _, tokens = all_rows(model, inputs)
    decoder = model.language_model.get_decoder().layers
    reset = {index: decoder[index].self_attn.audio_fusion(tokens) for index in layers}
    expected = oracle(model, inputs, reset, layers)
    assert expected.abs().max() > 1
    torch.testing.assert_close(model(**inputs).logits, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("start", [0, 1, 3])
@torch.no_grad()
def test_delayed_is_a_prefix_that_enters_late(family, start):
    model = composite({"type": "delayed", "start_layer": start}, family)
    inputs = prompts(model, "tAttAt")
    _, _, tokens = all_rows(model, inputs)
    expected = oracle(model, inputs, {start: tokens}, range(start, LAYERS))
    torch.testing.assert_close(model(**inputs).logits, expected, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_delayed_from_the_first_layer_is_prefix():
    prefix, delayed = composite(None), composite({"type": "delayed", "start_layer": 0})
    delayed.load_state_dict(prefix.state_dict())
    inputs = prompts(prefix, "tAtt", "Att")
    there = inputs["input_ids"] != prefix.config.audio_token_id
    valid = there & inputs["attention_mask"].bool()
    found = delayed(**inputs)
    rows = valid.gather(1, found.text_columns)
    torch.testing.assert_close(found.logits[rows], prefix(**inputs).logits[valid], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fusion", [everywhere(layers=[]), {"type": "gated_cross_attention", "width": 24}])
@torch.no_grad()
def test_nothing_fused_or_closed_gates_are_the_language_model_bit_for_bit(family, fusion):
    model = composite(fusion, family)
    for name, parameter in model.named_parameters():
        if name.endswith("_gate"):
            parameter.fill_(0.0)
    inputs = prompts(model, "tAtt", "ttttAtttt")
    found = model(**inputs)
    text = inputs["input_ids"].gather(1, found.text_columns)
    text = text.masked_fill(text == model.config.audio_token_id, 0)
    positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0).gather(1, found.text_columns)
    heard = inputs["input_ids"] == model.config.audio_token_id
    valid = (inputs["attention_mask"].bool() & ~heard).gather(1, found.text_columns)
    alone = model.language_model(input_ids=text, position_ids=positions, attention_mask=valid.long()).logits
    assert torch.equal(found.logits[valid], alone[valid])


@torch.no_grad()
def test_hybrid_is_lal_with_its_summary_as_rows():
    """The rows of the summary replaced by words of the same embedding: what is left is LAL over the same audio."""
    model = composite({"type": "hybrid", "width": 24, "summary_tokens": 2, "layers": [1, 3]})
    inputs = prompts(model, "tAtt", audio="input_features")
    tokens = model.get_audio_features(inputs["input_features"]).pooler_output
    lal = composite({"type": "lal", "width": 24, "layers": [1, 3]})
    lal.load_state_dict({name: each for name, each in model.state_dict().items() if "fusion_modules" not in name})
    summary = model.fusion_modules.summary.rows(tokens[0, :2])
    torch.testing.assert_close(tokens[0, :2], tokens[0, 2:].unflatten(0, (2, -1)).mean(1))
    # The vocabulary of the other model gets the summary's rows as its last words.
    lal.get_input_embeddings().weight[-2:] = summary
    ids = inputs["input_ids"][0].tolist()
    last = lal.config.text_config.vocab_size
    ids[1:3] = [last - 2, last - 1]
    given = {"input_ids": torch.tensor([ids]), "audio_embeds": tokens[:, 2:]}
    torch.testing.assert_close(model(**inputs).logits, lal(**given).logits, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [{"type": "hybrid", "summary_tokens": 2},
                                  {"type": "per_encoder", "prefix_slices": [1], "prefix_projector": MLP}])  # fmt: skip
@torch.no_grad()
def test_rows_are_heard_where_no_layer_is_fused(kind):
    model, apart = (composite({**kind, "width": 24, "layers": [], "share": share}) for share in (True, False))
    inputs = prompts(model, "tAtt")
    logits = model(**inputs).logits
    assert torch.equal(apart(**inputs).logits, logits)
    moved = model(**{**inputs, "audio_embeds": inputs["audio_embeds"] + torch.linspace(-1, 1, 24)}).logits
    assert (moved[:, -1] - logits[:, -1]).abs().max() > 0.01


@pytest.mark.parametrize("origin", ["pool", "query"])
@torch.no_grad()
def test_the_whole_sequence_reaches_the_summary(origin):
    model = composite({"type": "hybrid", "width": 24, "summary_tokens": 2, "summary_origin": origin})
    summarize = model.fusion_modules.summary.summarize
    tokens = torch.randn(1, 5, 24, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, True, True, False]])
    alone = summarize(tokens[:, :4], None)
    torch.testing.assert_close(summarize(tokens, mask), alone)
    moved = tokens.clone()
    moved[0, 3] += 1
    assert not torch.allclose(summarize(moved, mask)[:, 1], alone[:, 1])


@torch.no_grad()
def test_gated_block_is_its_formula():
    model = composite({"type": "gated_cross_attention", "width": 24, "heads": 2, "head_dim": 8, "layers": [2], "ffn": 2})
    block = model.language_model.get_decoder().layers[2].audio_fusion
    random = torch.Generator().manual_seed(0)
    x, audio = torch.randn(1, 3, 32, generator=random), torch.randn(1, 5, 24, generator=random)
    allowed = torch.tensor([[[False] * 5, [True, True, False, False, False], [True] * 5]])
    expected = x.clone()
    for row, tokens in ((1, audio[:, :2]), (2, audio)):
        normed = torch.nn.functional.layer_norm(x[:, row], (32,))
        read = []
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            q, k, v = (
                normed @ block.query.weight[part].T,
                tokens @ block.key.weight[part].T,
                tokens @ block.value.weight[part].T,
            )
            read.append((q[:, None] @ k.mT / 8**0.5).softmax(-1) @ v)
        y = x[:, row] + torch.tanh(torch.tensor(0.7)) * torch.cat(read, -1)[:, 0] @ block.output.weight.T
        fed = (
            torch.nn.functional.gelu(torch.nn.functional.layer_norm(y, (32,)) @ block.wider.weight.T)
            @ block.narrower.weight.T
        )
        expected[:, row] = y + torch.tanh(torch.tensor(0.7)) * fed
    found = block(x, audio, None, allowed)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(found[:, 0], x[:, 0])  # a row that hears nothing is not changed


FUSIONS = [
    {"type": "delayed"},
    everywhere(),
    everywhere(norm="own", positions="none"),
    {"type": "hybrid", "width": 24, "summary_tokens": 2},
    {"type": "gated_cross_attention", "width": 24, "heads": 2, "head_dim": 8},
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: fusion["type"])
@torch.no_grad()
def test_eager_is_sdpa(family, fusion):
    model = composite(fusion, family)
    inputs = prompts(model, "tAttt", "AtAt")
    sdpa = model(**inputs)
    model.set_attn_implementation({"text_config": "eager"})
    eager = model(**inputs).logits
    heard = inputs["input_ids"] == model.config.audio_token_id
    valid = (inputs["attention_mask"].bool() & ~heard).gather(1, sdpa.text_columns)
    torch.testing.assert_close(eager[valid], sdpa.logits[valid], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: fusion["type"])
@torch.no_grad()
def test_text_hears_what_came_before_it_and_nothing_else(fusion):
    model = composite(fusion)
    inputs = prompts(model, "tAtAt")
    other = prompts(model, "tAtAt", seed=1)["audio_embeds"]
    first = model(**inputs).logits[0]
    second_changed = model(**{**inputs, "audio_embeds": torch.stack([inputs["audio_embeds"][0], other[1]])}).logits[0]
    first_changed = model(**{**inputs, "audio_embeds": torch.stack([other[0], inputs["audio_embeds"][1]])}).logits[0]
    rows = model.fusion.num_rows(4, model.config.encoder_config.token_layout)
    assert torch.equal(first[0], first_changed[0])
    before_second = 1 + rows + 1
    torch.testing.assert_close(first[:before_second], second_changed[:before_second], atol=1e-5, rtol=0)
    assert (first[-1] - second_changed[-1]).abs().max() > 0.01
    assert (first[before_second - 1] - first_changed[before_second - 1]).abs().max() > 0.01


@torch.no_grad()
def test_equal_prompts_pass_the_layers_below_once():
    model = composite({"type": "delayed", "start_layer": 2})
    inputs = prompts(model, "tAtt")
    many = {name: inputs[name].expand(3, -1) for name in ("input_ids", "attention_mask")}
    many["audio_embeds"] = prompts(model, "AAA", seed=3)["audio_embeds"]
    seen = []
    for layer in model.language_model.get_decoder().layers:
        layer.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    together = model(**many).logits
    assert seen == [1, 1, 3, 3]
    for row in range(3):
        alone = model(**inputs | {"audio_embeds": many["audio_embeds"][row : row + 1]}).logits
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)
    banned = {"max_new_tokens": 4, "do_sample": False, "suppress_tokens": [model.config.audio_token_id]}
    answers = model.generate(**many, **banned)
    for row in range(3):
        alone = model.generate(**inputs | {"audio_embeds": many["audio_embeds"][row : row + 1]}, **banned)
        assert torch.equal(answers[row : row + 1], alone)


@torch.no_grad()
def test_audio_of_no_values_takes_its_share_of_attention_only():
    """With values of zero, the first fused layer gives the text-only output scaled by the text's share of the softmax."""
    model = composite(everywhere(layers=[0], norm="none"))
    attention = model.language_model.get_decoder().layers[0].self_attn
    torch.nn.init.zeros_(attention.audio_fusion.projection.weight)  # keys of zero too: each audio key has weight e^0
    seen = []
    attention.o_proj.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    inputs = prompts(model, "Attt")
    model(**inputs)
    text = inputs["input_ids"][:, model.config.num_audio_tokens :]
    positions = torch.arange(text.shape[1])[None] + model.config.num_audio_tokens
    model.language_model(input_ids=text, position_ids=positions, attention_mask=torch.ones_like(text))
    model.language_model.set_attn_implementation("eager")
    weights = {}
    attention.register_forward_hook(lambda module, args, output: weights.update(all=output[1]))
    model(**inputs)
    fused, alone = (each.unflatten(-1, (4, -1)) for each in seen[:2])
    share = weights["all"][..., model.config.num_audio_tokens :].sum(-1).transpose(1, 2).unsqueeze(-1)
    assert 0 < share.min() < 0.9
    torch.testing.assert_close(fused, alone * share, atol=1e-5, rtol=1e-4)


def test_the_language_model_never_sees_a_context_of_its_own():
    """Without audio no context travels, so that the hooks change nothing."""
    model = composite(everywhere())
    layer = model.language_model.get_decoder().layers[0]
    seen = []
    layer.register_forward_pre_hook(lambda module, args, kwargs: seen.append(ARGUMENT in kwargs), with_kwargs=True)
    model(**prompts(model, "ttt"))
    assert seen == [False]
