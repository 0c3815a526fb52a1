"""Log-probabilities of answers against one forward pass a row, token by token, with every fusion; a recording heard once."""

import pytest
import torch

from spatial_llm.data.preference.dataset import PairCollator
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.testing import tiny_inputs, tiny_processor
from spatial_llm.training.preference.answer_log_probs import answer_log_probs, heard_once, without_dropout
from tests.fusion.conftest import composite
from tests.fusion.test_generation import FUSIONS

CLOSE = 2e-4  # float32 sums of about -100
EVERY = {"prefix": None, **FUSIONS}
QUESTIONS = ("Where is the bell?", "Is it?", "How far away is the sound of the bell?")
CHOSEN = ("left; front; above; 2.5m", "Yes", "2.5m")
REJECTED = ("right", "No, it is not on the left", "12.5m")


def pair_batch(model):
    """Three pairs whose questions and answers all differ in length, with cues drawn at random."""
    divided = "dspast" if model.config.encoder_config.model_type == "dspast" else "spatial_ast"
    processor = tiny_processor(divided)
    processor.num_audio_tokens = model.config.num_audio_tokens
    processor.audio_token_id = model.config.audio_token_id
    text = processor(text=list(QUESTIONS) * 2, answers=[*CHOSEN, *REJECTED], return_tensors="pt")
    features = 3 * tiny_inputs(model.config.encoder_config, batch_size=3)["input_features"]
    batch = {name: text[name] for name in ("input_ids", "attention_mask")} | {"targets": text["labels"]}
    return batch | {"input_features": features, "pairs": torch.arange(3)}, processor


def one_by_one(model, processor, features):
    """Sums and numbers of tokens of all six answers: a pass for each row alone, without padding."""
    sums, counts = [], []
    for row, (question, answer) in enumerate(zip(QUESTIONS * 2, (*CHOSEN, *REJECTED), strict=True)):
        alone = processor(text=[question], answers=[answer], return_tensors="pt")
        ids, labels = alone["input_ids"], alone["labels"][0].tolist()
        assert alone["attention_mask"].all()
        output = model(input_ids=ids, input_features=features[row % 3][None])
        first = next(column for column, label in enumerate(labels) if label != -100)
        logits = output.logits[0, first - len(labels) - 1 : -1]  # counted from the end: a fusion may leave audio out
        total = torch.zeros((), dtype=torch.float64)
        for place, label in enumerate(labels[first:]):
            total = total + torch.log_softmax(logits[place].double(), -1)[label]
        sums.append(total)
        counts.append(len(labels) - first)
    return torch.stack(sums), torch.tensor(counts)


@pytest.fixture(params=EVERY.values(), ids=EVERY)
def model(request):
    return composite(request.param)


def test_they_are_those_of_each_row_alone(model):
    batch, processor = pair_batch(model)
    with torch.no_grad():
        found = answer_log_probs(model, batch, heard_once(model, batch, 2))
        sums, counts = one_by_one(model, processor, batch["input_features"])
    assert len(set(counts.tolist())) > 3 and torch.equal(found.mask.sum(-1), counts)
    torch.testing.assert_close(found.sums.double(), sums, rtol=0, atol=CLOSE)
    torch.testing.assert_close(found.means.double(), sums / counts, rtol=0, atol=CLOSE)


def test_each_recording_is_encoded_and_projected_once(model):
    batch, _ = pair_batch(model)
    calls = []
    model.encoder.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append(len(kwargs["input_features"])), with_kwargs=True
    )
    model.projector.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    answer_log_probs(model, batch, heard_once(model, batch, 2))
    assert calls == [3, 3]


def test_the_recording_matters_and_the_other_answer_does_not():
    model = composite(None)
    batch, _ = pair_batch(model)
    with torch.no_grad():
        whole = answer_log_probs(model, batch, heard_once(model, batch, 2)).sums
        moved = batch | {"input_features": batch["input_features"].roll(1, 0)}
        other = answer_log_probs(model, moved, heard_once(model, moved, 2)).sums
    assert ((whole - other).abs() > 1e-3).all()


def test_a_projector_that_makes_fewer_tokens_of_some_clips():
    """They are projected with the prompts then, and encoded once all the same."""
    model = composite(None)
    batch, processor = pair_batch(model)
    whole = model.projector.forward
    mask = torch.tensor([[True] * 4, [True] * 3 + [False], [True] * 4])

    def shorter(*args, **kwargs):
        made = whole(*args, **kwargs)
        return AudioTokens(last_hidden_state=made.last_hidden_state, mask=mask.repeat(len(made.last_hidden_state) // 3, 1))

    model.projector.forward = shorter
    slot = model.config.audio_token_id
    for row in (1, 4):  # one placeholder fewer, and one more column of padding in front
        ids, there = batch["input_ids"][row], batch["attention_mask"][row]
        first = int((ids == slot).nonzero()[0])
        ids[first], there[first] = processor.tokenizer.pad_token_id, 0
    with torch.no_grad():
        heard = heard_once(model, batch, 2)
        found = answer_log_probs(model, batch, heard)
        again = model(**{name: batch[name] for name in ("input_ids", "attention_mask")},
                      input_features=batch["input_features"].repeat(2, 1, 1, 1))  # fmt: skip
    assert set(heard) == {"audio_hidden_states"}
    columns = found.tokens.shape[1]
    logits, targets = again.logits[:, -columns - 1 : -1], batch["targets"][:, -columns:]
    expected = torch.log_softmax(logits, -1).gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(found.sums, (expected * (targets != -100)).sum(-1), rtol=0, atol=CLOSE)


def test_dropout_is_off_and_checkpointed_activations_give_the_same_gradients():
    """The projector has dropout, and so has LoRA; two passes in training mode would differ."""
    model = composite(None, lora={"rank": 2, "alpha": 4, "dropout": 0.4})
    batch, _ = pair_batch(model)

    def gradients():
        model.train()
        without_dropout(model)
        model.zero_grad()
        sums = answer_log_probs(model, batch, heard_once(model, batch, 2)).sums
        sums.sum().backward()
        return sums.detach(), [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    plain, again = gradients(), gradients()
    assert torch.equal(plain[0], again[0])
    layers = [0, 0]
    for index, layer in enumerate(model.language_model.model.layers[:2]):
        layer.self_attn.register_forward_hook(lambda *_, index=index: layers.__setitem__(index, layers[index] + 1))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    stored = gradients()
    assert layers == [2, 2], "computed again in the backward pass"
    assert torch.equal(plain[0], stored[0])
    assert all(torch.equal(one, two) for one, two in zip(plain[1], stored[1], strict=True))


def test_one_pair_is_one_batch_for_the_collator():
    processor = tiny_processor()
    samples = [
        {"id": "a", "question": QUESTIONS[0], "answer": CHOSEN[0], "rejected": REJECTED[0], "pair": 5,
         "audio_hidden_states": torch.zeros(3, 4)},
        {"id": "b", "question": QUESTIONS[1], "answer": CHOSEN[1], "rejected": REJECTED[1], "pair": 2,
         "audio_hidden_states": torch.ones(3, 4)},
    ]  # fmt: skip
    batch = PairCollator(processor)(samples)
    assert batch["audio_hidden_states"].shape == (2, 3, 4) and batch["pairs"].tolist() == [5, 2]
    texts = [processor.decode(row[row != -100]) for row in batch["targets"]]
    assert texts == [f"{text}</s>" for text in (CHOSEN[0], CHOSEN[1], REJECTED[0], REJECTED[1])]
    assert len(batch["input_ids"]) == 4 and "labels" not in batch
