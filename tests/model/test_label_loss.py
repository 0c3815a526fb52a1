"""The weighted loss against sums written out in float64, whole and accumulated; without weights it is transformers' own."""

import pytest
import torch
from transformers.loss.loss_utils import ForCausalLMLoss
from transformers.utils.generic import find_labels

from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.label_loss import label_loss
from spatial_llm.testing import TINY_FUSIONS, tiny_config, tiny_processor


def drawn(rows: int = 3, length: int = 7, size: int = 11) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, length, size, generator=random)
    labels = torch.randint(0, size, (rows, length), generator=random)
    labels[:, :3] = -100
    weights = torch.where(torch.rand(rows, length, generator=random) < 0.4, 6.0, 1.0).masked_fill(labels == -100, 0.0)
    return logits, labels, weights


def by_hand(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> tuple[float, float]:
    """Returns sum(w l) and sum(w)."""
    total, weight = 0.0, 0.0
    for row in range(len(labels)):
        for column in range(1, labels.shape[1]):
            if labels[row, column] != -100:
                scores = logits[row, column - 1].double()
                loss = -(scores[labels[row, column]] - scores.exp().sum().log()).item()
                total, weight = total + weights[row, column].item() * loss, weight + weights[row, column].item()
    return total, weight


def test_weighted_loss_is_the_weighted_mean() -> None:
    logits, labels, weights = drawn()
    total, weight = by_hand(logits, labels, weights)
    assert label_loss(logits, labels, weights).item() == pytest.approx(total / weight, rel=1e-6)
    # Parts of a larger batch, each divided by the weight of the whole, sum to the same.
    parts = [label_loss(logits[[i]], labels[[i]], weights[[i]], torch.tensor(weight)).item() for i in range(3)]
    assert sum(parts) == pytest.approx(total / weight, rel=1e-6)
    ones = (labels != -100).float()
    assert label_loss(logits, labels, ones).item() == pytest.approx(label_loss(logits, labels).item(), rel=1e-6)


def test_without_weights_it_is_the_former_loss() -> None:
    logits, labels, _ = drawn()
    for items in (None, 9, torch.tensor(9)):
        assert torch.equal(label_loss(logits, labels, num_items_in_batch=items), ForCausalLMLoss(logits, labels, 11, items))


@pytest.mark.parametrize("fusion", TINY_FUSIONS)
def test_weights_follow_the_labels_in_every_fusion(fusion: str) -> None:
    """Deep fusions take the audio's columns out of the sequence, and its weights with them."""
    torch.manual_seed(0)
    encoder = "dspast"
    model = SpatialLLMForConditionalGeneration(
        tiny_config("SpatialLLMForConditionalGeneration", encoder, fusion=fusion)
    ).eval()
    processor = SpatialLLM(model, tiny_processor(encoder, fusion=fusion)).processor
    features = torch.randn(2, *model.config.encoder_config.input_shape)
    texts = {"text": ["Where is the bell?", "When?"], "answers": ["left at 0.5 s", "1.1 to 2.4 s"]}
    plain = {**processor(**texts, return_tensors="pt"), "input_features": features}
    weighted = {**processor(**texts, return_tensors="pt", time_weight=5.0), "input_features": features}
    weights = weighted["token_weights"]
    with torch.no_grad():
        outputs, labels = model(**weighted), plain["labels"]
        assert torch.equal(outputs.logits, model(**plain).logits)
        columns = outputs.text_columns
        if columns is not None:
            labels, weights = labels.gather(1, columns), weights.gather(1, columns)
        total, weight = by_hand(outputs.logits, labels, weights)
    assert outputs.loss.item() == pytest.approx(total / weight, rel=1e-5)
    assert weights.max() == 6.0


def test_what_trainer_takes_for_labels_is_what_every_batch_has() -> None:
    """It takes whatever has 'label' in its name, and gives no `eval_loss` where a batch lacks one of these."""
    assert find_labels(SpatialLLMForConditionalGeneration) == ["labels"]
