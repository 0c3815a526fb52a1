"""InfoNCE against loops; texts that say the same are no wrong answers; any sentence-transformers model is taken."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from spatial_llm.encoders.text_projection import TextProjection
from spatial_llm.sentences.embedding import MINILM_SHA256, TextEmbedder
from spatial_llm.testing import tiny_config
from spatial_llm.training.encoder.objectives import read_objective
from spatial_llm.training.encoder.objectives.contrastive import MOST_SCALE, ContrastiveHead, info_nce


def unit(rows: int, width: int = 6, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=-1)


def looped(audio: np.ndarray, text: np.ndarray, right: np.ndarray, scale: float) -> float:
    """The same by sums of single exponentials: for each query the mean of -log of its share of each right answer, less the
    logarithm of their number."""
    total, count = 0.0, len(audio)
    for queries, answers, mask in ((text, audio, right), (audio, text, right.T)):
        for row in range(count):
            weights = [math.exp(scale * sum(a * b for a, b in zip(queries[row], other, strict=True))) for other in answers]
            shares = [-math.log(weights[one] / sum(weights)) for one in range(count) if mask[row, one]]
            total += (sum(shares) / len(shares) - math.log(len(shares))) / count / 2
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_that_of_a_loop(seed: int) -> None:
    audio, text = unit(5, seed=seed).double(), unit(5, seed=seed + 10).double()
    right = np.eye(5, dtype=bool) | (np.random.default_rng(seed).random((5, 5)) < 0.3)
    found = info_nce(audio, text, torch.from_numpy(right), 7.0)
    assert float(found) == pytest.approx(looped(audio.numpy(), text.numpy(), right, 7.0), rel=1e-9)


def test_with_one_right_answer_it_is_cross_entropy() -> None:
    audio, text = unit(6), unit(6, seed=1)
    logits, own = 3.0 * text @ audio.T, torch.arange(6)
    expected = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    assert float(info_nce(audio, text, torch.eye(6, dtype=torch.bool), 3.0)) == pytest.approx(float(expected), rel=1e-5)


def test_equal_texts_are_not_punished() -> None:
    """Two recordings of which the same is said, found equally by their one text, are as good as it gets. If it is said in
    other words, neither text draws its recording away from the other."""
    text = torch.eye(3)[[0, 0, 1]]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    assert float(info_nce(text, text, same, 100.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(info_nce(text, text, torch.eye(3, dtype=torch.bool), 100.0)) > 0.4, "without that they are"
    words = functional.normalize(torch.tensor([[1.0, 0.2, 0.0], [0.2, 1.0, 0.0], [0.0, 0.0, 1.0]]), dim=-1)
    between = functional.normalize(torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), dim=-1)
    drawn = []
    for right in (same, torch.eye(3, dtype=torch.bool)):
        audio = between.clone().requires_grad_()
        info_nce(audio, words, right, 10.0).backward()
        drawn.append(float((audio.grad[0] @ (words[0] - words[1])).abs()))
    assert drawn[0] == pytest.approx(0.0, abs=1e-6) and drawn[1] > 0.1


def head(width: int = 8, texts: int = 6, learned: bool = True) -> ContrastiveHead:
    torch.manual_seed(0)
    projection = TextProjection(tiny_config("DSpASTModel"), width, 16, "linear")
    return ContrastiveHead(projection, unit(texts, width), 0.05, learned)


def batch(rows: list[list[int]], facts: list[list[int]], names: list[list[int]]) -> dict[str, torch.Tensor]:
    """Three views name one and the same of the four facts each: `names` lists them by view."""
    named = torch.zeros(len(rows), 3, 4, dtype=torch.bool)
    for view, aspects in enumerate(names):
        named[:, view, aspects] = True
    return {"text_rows": torch.tensor(rows), "text_names": named, "facts": torch.tensor(facts)}


def test_the_head_compares_each_slice_with_its_own_text() -> None:
    module = head()
    layout = module.projection.layout
    hidden = torch.randn(4, layout.num_tokens, layout.width)
    given = batch([[0, 1, 2], [0, 3, 2], [4, 1, 5], [4, 3, 5]], [[7, 1, 5, 9], [7, 2, 5, 9], [8, 1, 6, 9], [8, 2, 6, 9]],
                  [[2], [1], [0]])  # fmt: skip
    vectors, audio = module.vectors, module.projection(hidden)
    right = [[[0, 1], [0, 1], [2, 3], [2, 3]], [[0, 2], [1, 3], [0, 2], [1, 3]], [[0, 1], [0, 1], [2, 3], [2, 3]]]
    expected = []
    for view in range(3):
        mask = np.zeros((4, 4), bool)
        for row, ones in enumerate(right[view]):
            mask[row, ones] = True
        text = vectors[given["text_rows"][:, view]].detach().numpy()
        expected.append(looped(audio[:, view].detach().numpy(), text, mask, 20.0))
    assert float(module(None, hidden, given).detach()) == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_temperature_trains_and_stays_above_a_hundredth() -> None:
    assert head().log_scale.requires_grad and not head(learned=False).log_scale.requires_grad
    module = head()
    layout = module.projection.layout
    given = batch([[0, 0, 0], [1, 1, 1]], [[1] * 4, [2] * 4], [[0]] * 3)
    hidden = torch.randn(2, layout.num_tokens, layout.width)
    with torch.no_grad():
        module.log_scale.fill_(math.log(MOST_SCALE))
        most = float(module(None, hidden, given).detach())
        module.log_scale.fill_(20.0)
    assert float(module(None, hidden, given).detach()) == pytest.approx(most)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model of two languages and five words, with random weights."""
    from sentence_transformers import SentenceTransformer

    try:  # their module has moved between versions
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError:
        from sentence_transformers.models import Pooling, Transformer

    folder = tmp_path_factory.mktemp("sentences")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "bell", "glocke", "left", "links", ","]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder / "bert")
    torch.manual_seed(1)
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=len(words), **sizes)
    BertModel(config).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[transformer, Pooling(12)]).save(str(folder / "whole"))
    return folder / "whole"


def test_another_sentence_encoder_is_taken_by_its_folder(foreign: Path) -> None:
    embedder = TextEmbedder(foreign)
    assert embedder(["bell", "glocke"]).shape == (2, 12)
    assert embedder.sha256 == TextEmbedder(foreign).sha256 != MINILM_SHA256 == TextEmbedder().sha256
    objective = read_objective({"type": "contrastive", "sentence_encoder": str(foreign)})
    assert objective.sentence_encoder == str(foreign)
