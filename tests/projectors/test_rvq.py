"""The RVQ projector: codes written out, round trips bit for bit, code books that learn where they may, use and error."""

import math
import sys

import pytest
import torch
from transformers import AutoModel

from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import RVQProjector, RVQProjectorConfig
from spatial_llm.projectors.codebook_use import codebook_use, relative_error
from spatial_llm.projectors.pooling import pooled
from spatial_llm.projectors.residual import ResidualQuantizer

LAYOUT = TokenLayout(num_cls_tokens=2, grid=(8, 2), channel_slices=((0, 6),), seconds_per_row=0.5)
BOOKS = [[0, 2, 4, 6, 8], [0, 0.3, 0.6, 0.9, 1.2], [-0.1, -0.05, 0, 0.05, 0.1], [-0.02, -0.01, 0, 0.01, 0.02]]


def tiny(**fields):
    torch.manual_seed(0)
    sizes = {"hidden_size": 5, "num_levels": 3, "codebook_size": 8, "encoder_hidden_size": 6, "text_hidden_size": 7}
    return RVQProjector(RVQProjectorConfig(**sizes | {"columns": "mean"} | fields)).eval()


def clips(count=64, seed=1):
    return torch.randn(count, LAYOUT.num_tokens, 6, generator=torch.Generator().manual_seed(seed))


def started(scale=0.02, **fields):
    projector = tiny(**fields)
    torch.manual_seed(3)
    projector.start(clips, scale, LAYOUT)
    return projector


def state_of(projector):
    return {name: tensor.clone() for name, tensor in projector.state_dict().items()}


def scalar_quantizer():
    quantizer = ResidualQuantizer(1, 4, 5)
    for book, values in zip(quantizer.books, BOOKS, strict=True):
        book.embed.copy_(torch.tensor(values)[None, :, None])
    return quantizer


def by_hand(value):
    """Nearest entries, level by level, of what is left."""
    codes = []
    for book in BOOKS:
        codes.append(min(range(len(book)), key=lambda i, left=value, book=book: abs(left - book[i])))
        value -= book[codes[-1]]
    return codes


def test_the_worked_example_of_scalars():
    found = scalar_quantizer()(torch.tensor([[[6.85]]]))
    assert [book[code] for book, code in zip(BOOKS, found.codes[0, 0].tolist(), strict=True)] == [6.0, 0.9, -0.05, 0.0]
    assert found.vectors.item() == pytest.approx(6.85, abs=1e-6)
    assert [scalar_quantizer().decode(found.codes[..., :level]).item() for level in (1, 2, 3, 4)] == pytest.approx(
        [6.0, 6.9, 6.85, 6.85], abs=1e-6
    )


def test_scalars_against_a_loop_and_back():
    values = torch.linspace(-0.3, 9.1, 400)
    found = scalar_quantizer()(values[None, :, None])
    expected = [by_hand(value) for value in values.tolist()]
    # Where two entries are equally near, rounding decides.
    assert sum(codes != other for codes, other in zip(found.codes[0].tolist(), expected, strict=True)) <= 4
    assert torch.equal(scalar_quantizer().decode(found.codes), found.vectors)


@pytest.mark.parametrize("tokens", ["summed", "one_a_code"])
def test_tokens_are_rows_of_the_tables_and_codes_give_them_back_bit_for_bit(tokens):
    projector = started(tokens=tokens)
    output, codes = projector(clips(), layout=LAYOUT), projector.codes(clips(), LAYOUT)
    assert codes.shape == (64, 4, 3) and codes.dtype == torch.int64
    assert torch.equal(projector.from_codes(codes), output.last_hidden_state)
    rows = projector.tables.weight.view(3, 8, 7)
    for clip, place in ((0, 0), (5, 3)):
        own = torch.stack([rows[level, codes[clip, place, level]] for level in range(3)])
        expected = own.sum(0)[None] if tokens == "summed" else own
        at = slice(place * len(expected), (place + 1) * len(expected))
        torch.testing.assert_close(output.last_hidden_state[clip, at], expected)
    times = [0.5, 1.5, 2.5, 3.5]  # two rows of half a second each
    assert output.seconds.tolist() == (times if tokens == "summed" else [time for time in times for _ in range(3)])
    assert output.loss is None


def test_codes_are_the_nearest_of_what_is_left():
    projector = started()
    positions, _ = pooled(projector.config, clips(3), LAYOUT, torch.float32)
    left = projector.down(torch.nn.functional.layer_norm(positions, positions.shape[-1:]))
    for level, book in enumerate(projector.quantizer.code_vectors):
        nearest = torch.stack([(left - vector).square().sum(-1) for vector in book]).argmin(0)
        assert torch.equal(projector.codes(clips(3), LAYOUT)[..., level], nearest)
        left = left - book[nearest]


def test_codes_survive_saving(tmp_path):
    projector = started()
    projector.train()(clips(seed=4), layout=LAYOUT)
    projector.eval().save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert torch.equal(loaded.codes(clips(seed=5), LAYOUT), projector.codes(clips(seed=5), LAYOUT))
    assert torch.equal(loaded(clips(seed=5), layout=LAYOUT)[0], projector(clips(seed=5), layout=LAYOUT)[0])
    assert loaded.measures() == projector.measures()


@pytest.mark.parametrize("learned", [False, True])
def test_code_books_stay_where_nothing_learns(learned):
    projector = started(learned=learned)
    before = state_of(projector)
    projector(clips(seed=6), layout=LAYOUT)
    projector.codes(clips(seed=6), LAYOUT)
    projector.measure(clips(seed=6), LAYOUT)
    projector.train()
    with torch.no_grad():
        assert projector(clips(seed=6), layout=LAYOUT).loss is None
    projector.codes(clips(seed=6), LAYOUT)
    projector.requires_grad_(False)
    assert projector(clips(seed=6), layout=LAYOUT).loss is None
    assert all(torch.equal(before[name], tensor) for name, tensor in projector.state_dict().items())
    projector.requires_grad_(True)
    projector(clips(seed=6), layout=LAYOUT).loss.backward()
    moved = {name for name, tensor in projector.state_dict().items() if not torch.equal(before[name], tensor)}
    assert ("quantizer.quantizer.layers.0._codebook.embed" in moved) is not learned
    assert {"use", "error"} <= moved


def test_running_means_follow_what_codes_stand_for():
    """decay 0: each code vector in use becomes the mean of what it stands for, for which the error is least."""
    projector = started(decay=0.0, dead_share=0.0, num_levels=1)
    with torch.no_grad():
        projector.quantizer.books[0].embed.add_(0.2)
    before, codes = state_of(projector), projector.codes(clips(), LAYOUT)
    projector.train()(clips(), layout=LAYOUT)
    positions, _ = pooled(projector.config, clips(), LAYOUT, torch.float32)
    narrow = projector.down(torch.nn.functional.layer_norm(positions, positions.shape[-1:])).flatten(0, 1)
    for code in range(8):
        mine = codes.flatten() == code
        if mine.any():
            torch.testing.assert_close(projector.quantizer.code_vectors[0, code], narrow[mine].mean(0), atol=1e-3, rtol=1e-3)
    assert torch.equal(before["tables.weight"], projector.tables.weight)


def test_dead_codes_are_replaced_by_positions_of_the_batch():
    """No position is near a code at 100."""
    for dead_share, alive in ((0.1, True), (0.0, False)):
        projector = started(decay=0.5, dead_share=dead_share)
        with torch.no_grad():
            projector.quantizer.books[0].embed[0, 2] = 100.0
            projector.quantizer.books[0].embed_avg[0, 2] = 100.0 * projector.quantizer.books[0].cluster_size[0, 2]
        projector.train()
        for _ in range(12):
            projector(clips(), layout=LAYOUT)
        assert (2 in projector.codes(clips(), LAYOUT)[..., 0]) is alive


def test_k_means_and_components_are_seeded_and_better_than_chance():
    first, again = started(), started()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in first.state_dict().items())
    errors = first.measure(clips(seed=7), LAYOUT).errors
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.5
    assert tiny().measure(clips(seed=7), LAYOUT).errors[2] > 0.9
    scale = first(clips(), layout=LAYOUT).last_hidden_state.std()
    assert scale.item() == pytest.approx(0.02, rel=0.1)
    assert started(1.0)(clips(), layout=LAYOUT).last_hidden_state.std().item() == pytest.approx(1.0, rel=0.1)


def test_without_quantisation_error_components_give_all_back():
    """As many components as channels, and a code for each position: nothing is lost."""
    few = clips(2)
    projector = tiny(hidden_size=6, codebook_size=8, num_levels=2)
    projector.start(lambda: few, 0.02, LAYOUT)
    assert projector.measure(few, LAYOUT).errors[-1] == pytest.approx(0, abs=1e-6)


def test_the_loss_is_commitment_and_reconstruction_written_out():
    projector = started(commitment_weight=0.3, reconstruction_weight=2.0, decay=0.5).train()
    positions, _ = pooled(projector.config, clips(), LAYOUT, torch.float32)
    target = torch.nn.functional.layer_norm(positions, positions.shape[-1:])
    narrow, commitment = projector.down(target), 0.0
    left, codes = narrow, projector.codes(clips(), LAYOUT)
    for level, book in enumerate(projector.quantizer.code_vectors.clone()):
        picked = book[codes[..., level]]
        commitment += (left - picked).square().mean()
        left = left - picked
    rebuilt = projector.up(narrow - left)
    expected = 0.3 * commitment + 2.0 * (rebuilt - target).square().mean()
    torch.testing.assert_close(projector(clips(), layout=LAYOUT).loss, expected)


def test_what_is_not_finite_is_heard_as_such_and_moves_no_code_book():
    projector = started().train()
    before, broken = state_of(projector), clips()
    broken[1, 2] = float("nan")
    output = projector(broken, layout=LAYOUT)
    assert output.loss.isnan()
    lost = output.last_hidden_state.isnan().all(-1)
    assert lost.any(1).nonzero().tolist() == [[1]]
    assert all(torch.equal(before[name], tensor) for name, tensor in projector.state_dict().items())


def test_use_and_error_written_out():
    counts = torch.tensor([[4, 4, 0, 0], [1, 1, 1, 1], [997, 1, 1, 1]])
    use = codebook_use(counts, [0.5, 0.25, 0.125])
    assert use.perplexity[:2] == pytest.approx((2, 4))
    assert use.perplexity[2] == pytest.approx(math.exp(-0.997 * math.log(0.997) - 3 * 0.001 * math.log(0.001)))
    assert use.used == (0.5, 1.0, 0.25), "a hundredth of an even use is 2.5 of 1,000"
    assert use.to_dict()["errors"] == [0.5, 0.25, 0.125]
    positions = torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    assert relative_error(positions, positions.mean(0).expand(2, 2)) == 1
    assert relative_error(positions, positions + torch.tensor([1.0, 0.0])) == 0.5


def test_measures_of_a_run_are_running_means():
    projector = tiny(decay=0.5).train()
    assert projector.measures() == {}
    projector(clips(), layout=LAYOUT)
    alone = tiny().measure(clips(), LAYOUT)  # of the code books before the step
    found = projector.measures()
    assert found["codebook_perplexity"] == pytest.approx(sum(alone.perplexity) / 3, rel=1e-5)
    assert found["codebook_used"] == pytest.approx(sum(alone.used) / 3)
    assert found["reconstruction_error"] == pytest.approx(alone.errors[-1], rel=1e-4)


def test_half_precision_keeps_codes_fine():
    """Under autocast the quantiser still gets float32: the last levels are finer than bfloat16."""
    projector = started(num_levels=3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(projector.codes(clips(), LAYOUT), projector.codes(clips(), LAYOUT))
        codes = projector.codes(clips(), LAYOUT)
    assert torch.equal(codes, projector.codes(clips(), LAYOUT))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tokens": "all"}, "tokens is 'all'; expected one of summed, one_a_code"),
        ({"num_levels": 0}, "num_levels is 0"),
        ({"codebook_size": 0}, "codebook_size is 0"),
        ({"decay": 1.0}, "decay is 1.0; expected a number of at least 0 and below 1"),
        ({"dead_share": -0.1}, "dead_share is -0.1"),
        ({"commitment_weight": -1}, "commitment_weight is -1"),
        ({"hidden_size": 7}, "hidden_size is 7, but a position of the pooled grid has 6 channels"),
    ],
)
def test_what_cannot_be_is_refused(fields, words):
    with pytest.raises(SpatialLLMError, match=words):
        tiny(**fields)


def test_codes_that_cannot_be_are_refused():
    projector = tiny()
    for codes, words in (
        (torch.zeros(1, 4, 2, dtype=torch.long), r"shape \(1, 4, 2\); expected whole numbers \(clips, positions, 3\)"),
        (torch.zeros(1, 4, 3), "torch.float32"),
        (torch.full((1, 4, 3), 8), "codes go from 8 to 8; expected 0 to 7"),
        (torch.full((1, 4, 3), -1), "codes go from -1"),
    ):
        with pytest.raises(SpatialLLMError, match=words):
            projector.from_codes(codes)
    with pytest.raises(SpatialLLMError, match="NaN or infinity"):
        projector.start(lambda: clips() * float("nan"), 0.02, LAYOUT)
    with pytest.raises(SpatialLLMError, match="expected a positive number"):
        projector.start(clips, 0.0, LAYOUT)


def test_without_the_library_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpatialLLMError, match=r'pip install "spatial-llm\[rvq\]"'):
        tiny()


def test_logits_of_codes_are_those_of_the_first_version():
    """Sines in place of weights, so that the values are the same everywhere."""
    projector = tiny()
    for index, (_, tensor) in enumerate(sorted(projector.state_dict().items())):
        if tensor.dim() > 1:
            tensor.copy_(torch.sin(0.7 * torch.arange(tensor.numel(), dtype=torch.float64) + index).reshape(tensor.shape))
    tokens = torch.sin(0.3 * torch.arange(LAYOUT.num_tokens * 6)).reshape(1, -1, 6)
    assert projector.codes(tokens, LAYOUT)[0].tolist() == CODES
    found = projector(tokens, layout=LAYOUT).last_hidden_state[0, :, 0].tolist()
    assert found == pytest.approx(FIRST, abs=1e-5)


CODES = [[3, 7, 7], [4, 4, 2], [2, 0, 0], [2, 7, 7]]
FIRST = [-0.447774, 0.85157, 1.643237, -1.257781]
