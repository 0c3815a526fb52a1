"""CKA against Gram matrices and HSIC by loops, and what it is invariant to; masked reconstruction hides what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_llm.encoders import DSpASTModel, SpatialASTModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.testing import tiny_config, tiny_inputs
from spatial_llm.training.encoder.objectives.teacher import MaskedReconstruction, linear_cka
from spatial_llm.training.encoder.text_vectors import hidden_state_vectors


def features(seed: int, width: int, rows: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)) + 3


def hsic(first: list[list[float]], second: list[list[float]]) -> float:
    """The Hilbert-Schmidt independence criterion of two Gram matrices by its definition (Gretton et al., 2005), times
    (n - 1)^2: trace(K H L H)."""
    n = len(first)

    def centred(gram: list[list[float]]) -> list[list[float]]:
        rows = [sum(row) / n for row in gram]
        everything = sum(rows) / n
        return [[gram[i][j] - rows[i] - rows[j] + everything for j in range(n)] for i in range(n)]

    first, second = centred(first), centred(second)
    return sum(first[i][j] * second[j][i] for i in range(n) for j in range(n))


def by_gram(first: np.ndarray, second: np.ndarray) -> float:
    grams = [
        [[sum(a * b for a, b in zip(one, other, strict=True)) for other in x] for one in x]
        for x in (first.tolist(), second.tolist())
    ]
    return hsic(*grams) / (hsic(grams[0], grams[0]) * hsic(grams[1], grams[1])) ** 0.5


@pytest.mark.parametrize("widths", [(3, 3), (2, 9), (20, 4)])
def test_cka_is_that_of_gram_matrices(widths: tuple[int, int]) -> None:
    first, second = features(0, widths[0]), features(1, widths[1])
    found = linear_cka(torch.from_numpy(first), torch.from_numpy(second))
    assert float(found) == pytest.approx(by_gram(first, second), rel=1e-9)
    assert 0 < float(found) < 1


def test_cka_is_invariant_to_rotation_scale_and_shift_and_to_nothing_more() -> None:
    first, second = torch.from_numpy(features(0, 4)), torch.from_numpy(features(1, 5))
    rotation, _ = torch.linalg.qr(torch.from_numpy(features(2, 4, 4)))
    plain = float(linear_cka(first, second))
    assert float(linear_cka(-2.5 * first @ rotation + 11, second)) == pytest.approx(plain, rel=1e-9)
    assert float(linear_cka(first, first @ rotation)) == pytest.approx(1.0, rel=1e-9)
    stretched = first * torch.tensor([10.0, 1.0, 1.0, 1.0])
    assert abs(float(linear_cka(stretched, second)) - plain) > 0.01, "stretching one direction is another matter"
    unrelated = torch.from_numpy(np.random.default_rng(3).normal(size=(4000, 3)))
    assert float(linear_cka(unrelated, torch.from_numpy(np.random.default_rng(4).normal(size=(4000, 3))))) < 0.01


def test_features_that_do_not_vary_are_alike_to_nothing() -> None:
    assert float(linear_cka(torch.ones(7, 2), torch.from_numpy(features(0, 3)).float())) == 0.0


@pytest.fixture(params=["spatial_ast", "dspast"])
def encoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    config = tiny_config(request.param)
    config.feature_attention = False  # DSpAST's gate reads means over the whole recording
    return {"spatial_ast": SpatialASTModel, "dspast": DSpASTModel}[request.param](config).eval()


def test_as_many_patches_are_hidden_as_asked(encoder: torch.nn.Module) -> None:
    grid = encoder.config.token_layout.grid
    patches = grid[0] * grid[1]
    for share in (0.0, 0.25, 0.5, 1.0):
        hidden = MaskedReconstruction(encoder.config, share).draw(6, torch.device("cpu"))
        assert hidden.shape == (6, patches)
        assert hidden.sum(dim=1).tolist() == [max(1, round(share * patches))] * 6, "never none: nothing would be learned"
    torch.manual_seed(0)
    several = MaskedReconstruction(encoder.config, 0.5).draw(64, torch.device("cpu"))
    assert len({tuple(row) for row in several.tolist()}) > 1 and several.float().mean(0).std() < 0.2


def test_what_is_hidden_does_not_reach_the_prediction_and_what_is_not_does(encoder: torch.nn.Module) -> None:
    """The features of hidden patches are exchanged for others: every other patch and the prediction stay, but for the row of
    cells that the fusion's convolution takes from its neighbours. So that only this is seen, its kernel is cut to 1 x 1."""
    torch.manual_seed(0)
    module = MaskedReconstruction(encoder.config, 0.5)
    for fusion in (one for one in encoder.modules() if isinstance(one, torch.nn.Conv2d) and one.kernel_size == (3, 3)):
        with torch.no_grad():
            kept = fusion.weight[:, :, 1, 1].clone()
            fusion.weight.zero_()
            fusion.weight[:, :, 1, 1] = kept
    given = tiny_inputs(encoder.config)["input_features"]
    layout, (high, wide) = encoder.config.token_layout, encoder.config.patch_size
    hidden = module.draw(len(given), torch.device("cpu"))
    rows = hidden.unflatten(1, layout.grid).repeat_interleave(high, 1).repeat_interleave(wide, 2)
    seen = patches_seen(encoder, module, given, hidden)
    other = torch.where(rows[:, None, : given.shape[2]], torch.randn_like(given), given)
    assert encoder.cue_norm.num_frames == given.shape[2], "else cells are stretched over the border of patches"
    torch.testing.assert_close(patches_seen(encoder, module, other, hidden), seen, rtol=0, atol=1e-5)
    changed = torch.where(rows[:, None, : given.shape[2]], given, torch.randn_like(given))
    assert not torch.allclose(patches_seen(encoder, module, changed, hidden), seen, atol=1e-2)


def patches_seen(
    encoder: torch.nn.Module, module: MaskedReconstruction, given: torch.Tensor, hidden: torch.Tensor
) -> torch.Tensor:
    """What the reconstruction predicts of each recording, (B, patches, numbers)."""
    told = {}
    hook = module.predict.register_forward_hook(lambda module, given, output: told.setdefault("it", output.detach()))
    module(encoder, given, hidden)
    hook.remove()
    assert not encoder.cue_norm._forward_hooks and not encoder.patch_embeddings._forward_hooks, "nothing is left behind"
    return told["it"]


def test_the_error_is_that_of_the_hidden_patches_alone(encoder: torch.nn.Module) -> None:
    torch.manual_seed(0)
    module = MaskedReconstruction(encoder.config, 0.5)
    given = tiny_inputs(encoder.config)["input_features"]
    hidden = module.draw(len(given), torch.device("cpu"))
    predicted = patches_seen(encoder, module, given, hidden)
    normed = encoder.cue_norm(given).detach().numpy().astype(np.float64)
    normed = (normed - normed.mean((0, 2, 3), keepdims=True)) / normed.std((0, 2, 3), ddof=1, keepdims=True)
    (rows, columns), (high, wide) = encoder.config.token_layout.grid, encoder.config.patch_size
    errors = []
    for clip, row, column in np.argwhere(hidden.unflatten(1, (rows, columns)).numpy()):
        true = normed[clip, :, row * high : (row + 1) * high, column * wide : (column + 1) * wide].reshape(-1)
        errors.append(((predicted[clip, row * columns + column].numpy() - true) ** 2).mean())
    assert float(module(encoder, given, hidden).detach()) == pytest.approx(np.mean(errors), rel=1e-4)


def test_an_encoder_that_leaves_out_patches_by_itself_is_refused() -> None:
    config = tiny_config("DSpASTModel")
    config.mask_rows = 0.5
    with pytest.raises(SpatialLLMError, match=r"mask_rows is 0\.5.*set both to 0"):
        MaskedReconstruction(config, 0.5)


def test_the_hidden_states_of_texts_are_means_over_their_tokens(tmp_path: Path, text_run: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, texts = str(text_run / "model"), ["bell, left", "rain on the right, 2.5 m away", "bell, left, front"]
    network, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for layer in (0, 1, -1):
        found = hidden_state_vectors(texts, folder, layer, tmp_path)
        for text, vector in zip(texts, found, strict=True):
            ids = torch.tensor([tokenizer(text)["input_ids"]])
            states = network(input_ids=ids, output_hidden_states=True).hidden_states
            torch.testing.assert_close(vector, states[layer][0].mean(0).detach(), rtol=1e-4, atol=1e-5)
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("texts-*.npy")}
    assert len(written) == 3, "layer -1 is layer 2, the others are their own"
    hidden_state_vectors(texts, folder, 2, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("texts-*.npy")} == written, "computed once"
    with pytest.raises(SpatialLLMError, match=r"layer is 3; .* hidden states -3 to 2"):
        hidden_state_vectors(texts, folder, 3, tmp_path)
    with pytest.raises(SpatialLLMError, match="no language model with its tokenizer"):
        hidden_state_vectors(texts, str(tmp_path), 0, tmp_path)
