"""The text projection: what it reads of each slice, what is saved beside an encoder, and that this loads as before."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_llm.encoders import DSpASTForLocalization, DSpASTModel, SpatialASTForLocalization
from spatial_llm.encoders.seal import SEAL
from spatial_llm.encoders.text_projection import ABOUT, TEXT_PROJECTION, TextProjection, pooled
from spatial_llm.errors import CheckpointError
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.testing import tiny_config, tiny_inputs

ABOUT_IT = {"sentence_encoder": "some", "sentence_encoder_sha256": "0" * 64}


def projection(name: str = "DSpASTForLocalization", text_side: str = "linear") -> TextProjection:
    torch.manual_seed(0)
    return TextProjection(tiny_config(name), 10, 12, text_side, **ABOUT_IT).eval()


def test_every_slice_is_read_from_its_own_channels() -> None:
    module = projection()
    layout = module.layout
    hidden = torch.randn(2, layout.num_tokens, layout.width)
    plain = module(hidden)
    assert plain.shape == (2, 3, 10) and module.views == ("distance", "direction", "event")
    torch.testing.assert_close(plain.norm(dim=-1), torch.ones(2, 3))
    for view, (start, stop) in enumerate(layout.channel_slices):
        changed = hidden.clone()
        changed[..., start:stop] += torch.randn(layout.num_tokens, stop - start)
        moved = (module(changed) - plain).abs().amax(dim=(0, 2)) > 1e-4
        assert moved.tolist() == [one == view for one in range(3)]
    whole = TextProjection(tiny_config("SpatialASTModel"), 10, 12)
    assert whole.views == ("whole",) and len(whole.text) == 0


def test_means_of_cls_tokens_and_of_patches_stand_apart() -> None:
    layout = tiny_config("DSpASTModel").token_layout
    hidden = np.random.default_rng(0).normal(size=(3, layout.num_tokens, layout.width))
    found = pooled(torch.from_numpy(hidden), layout).numpy()
    np.testing.assert_allclose(found[:, 0], hidden[:, :3].mean(axis=1))
    np.testing.assert_allclose(found[:, 1], hidden[:, 3:].mean(axis=1))


def test_texts_stay_where_they_are_at_the_beginning() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(4, 10), dim=-1)
    for side in ("linear", "frozen"):
        torch.testing.assert_close(projection(text_side=side).of_text(vectors, 1), vectors)


def test_it_is_saved_beside_the_encoder_and_changes_nothing_of_it(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, module = DSpASTForLocalization(tiny_config("DSpASTForLocalization")).eval(), projection()
    model.save_pretrained(tmp_path / "old")
    model.save_pretrained(tmp_path / "new")
    print_of = fingerprint(model.base_model)
    module.save_pretrained(tmp_path / "new", print_of)
    added = {path.name for path in (tmp_path / "new").iterdir()} - {path.name for path in (tmp_path / "old").iterdir()}
    assert added == {TEXT_PROJECTION, ABOUT}
    assert TEXT_PROJECTION in json.loads((tmp_path / "new" / SEAL).read_text())["files"]
    given = tiny_inputs(model.config)
    for kind in (DSpASTForLocalization, DSpASTModel):
        old, new = (kind.from_pretrained(tmp_path / name).eval()(**given).last_hidden_state for name in ("old", "new"))
        assert torch.equal(old, new)
    again = TextProjection.from_pretrained(tmp_path / "new", model.config, print_of)
    hidden, vectors = model(**given).last_hidden_state, torch.randn(3, 10)
    assert torch.equal(again(hidden), module(hidden)) and again.about == module.about
    assert torch.equal(again.of_text(vectors, 2), module.of_text(vectors, 2))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projection") / "model"
    torch.manual_seed(1)
    model = DSpASTForLocalization(tiny_config("DSpASTForLocalization"))
    model.save_pretrained(folder)
    projection().save_pretrained(folder, fingerprint(model.base_model))
    return folder


def test_refusals(saved: Path, tmp_path: Path) -> None:
    config = tiny_config("DSpASTForLocalization")
    with pytest.raises(CheckpointError, match="heads of another encoder"):
        TextProjection.from_pretrained(saved, config, "f" * 64)
    with pytest.raises(CheckpointError, match=r"has no text_projection\.safetensors.*--trains text"):
        TextProjection.from_pretrained(tmp_path, config)
    with pytest.raises(CheckpointError, match=r"audio\.0\.0"):
        TextProjection.from_pretrained(saved, tiny_config("SpatialASTForLocalization"))
    about = json.loads((saved / ABOUT).read_text())
    for number, changes in enumerate(
        ({"width": "10"}, {"width": 2**40}, {"text_side": "mlp"}, {"more": 1}, {"hidden_size": 0})
    ):
        folder = tmp_path / str(number)
        shutil.copytree(saved, folder)
        (folder / ABOUT).write_text(json.dumps(about | changes))
        with pytest.raises(CheckpointError, match=f"{ABOUT} is damaged"):
            TextProjection.from_pretrained(folder, config)
    (folder / ABOUT).write_text(json.dumps(about | {"width": 11}))
    with pytest.raises(CheckpointError, match="expected"):
        TextProjection.from_pretrained(folder, config)
    assert SpatialASTForLocalization.config_class().slice_names == ("whole",)
