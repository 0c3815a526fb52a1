"""The seal of a saved folder: what was changed is refused, and no ordinary way of saving ends in a false alarm."""

import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoProcessor, AutoTokenizer
from transformers.utils.hub import PushToHubMixin

from spatial_llm.cli import main
from spatial_llm.encoders import SpatialASTForLocalization, SpatialASTModel, seal
from spatial_llm.encoders.seal import MODEL, PROCESSOR, SEAL, digest
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.model.packing import pack
from spatial_llm.testing import tiny_config, tiny_processor

EVERYTHING = {"config.json", "generation_config.json", "model.safetensors", "processor_config.json", "tokenizer.json"}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SpatialLLMForConditionalGeneration(tiny_config("spatial_llm")).eval()


@pytest.fixture
def folder(model, tmp_path):
    SpatialLLM(model, tiny_processor()).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def listed(folder):
    return set(json.loads((folder / SEAL).read_text(encoding="utf-8"))["files"])


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def test_a_changed_part_is_refused_by_each_door_and_can_be_accepted(folder, capsys):
    assert listed(folder) >= EVERYTHING
    change(folder / "generation_config.json", repetition_penalty=1.5)
    for door in (SpatialLLM, SpatialLLMForConditionalGeneration, AutoModel):
        with pytest.raises(CheckpointError, match=r"generation_config\.json is not the file .* spatial-llm seal "):
            door.from_pretrained(folder)
    SpatialLLMProcessor.from_pretrained(folder)  # reads nothing of that
    assert main(["seal", str(folder)]) == 0 and "sealed as it is" in capsys.readouterr().out
    assert SpatialLLM.from_pretrained(folder).model.generation_config.repetition_penalty == 1.5
    assert not (folder / f"{SEAL}.old").exists()


def test_the_processor_has_its_own_part(folder):
    change(folder / "tokenizer_config.json", unk_token="<s>")
    SpatialLLMForConditionalGeneration.from_pretrained(folder)
    for door in (SpatialLLMProcessor, AutoProcessor, SpatialLLM):
        with pytest.raises(CheckpointError, match=r"tokenizer_config\.json is not the file"):
            door.from_pretrained(folder)


def test_what_does_not_load_is_not_sealed(folder, capsys):
    before = (folder / SEAL).read_bytes()
    change(folder / "processor_config.json", num_audio_tokens=9)
    assert main(["seal", str(folder)]) == 1
    assert "num_audio_tokens" in capsys.readouterr().err and (folder / SEAL).read_bytes() == before
    assert main(["seal", str(folder / "nowhere")]) == 1


def test_a_folder_without_a_seal_loads_as_ever(folder):
    (folder / SEAL).unlink()
    change(folder / "generation_config.json", repetition_penalty=1.5)
    SpatialLLM.from_pretrained(folder)


def test_saves_in_any_order_and_over_each_other(model, folder, tmp_path):
    other = SpatialLLMForConditionalGeneration(tiny_config("spatial_llm"))
    other.save_pretrained(folder)  # over a folder that is sealed
    SpatialLLM.from_pretrained(folder)
    tiny_processor().save_pretrained(tmp_path / "late")
    assert not listed(tmp_path / "late") & {"config.json", "model.safetensors"}
    model.save_pretrained(tmp_path / "late")
    assert listed(tmp_path / "late") >= EVERYTHING
    SpatialLLM.from_pretrained(tmp_path / "late")
    model.config.save_pretrained(tmp_path / "late")
    SpatialLLM.from_pretrained(tmp_path / "late")
    # By other tools: a processor that is no part of the seal.
    model.save_pretrained(tmp_path / "apart")
    shutil.copy(folder / "processor_config.json", tmp_path / "apart")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "apart")
    SpatialLLM.from_pretrained(tmp_path / "apart")


def test_shards_and_back(model, folder):
    model.save_pretrained(folder, max_shard_size="50KB")
    shards = {path.name for path in folder.glob("model-*.safetensors")}
    assert len(shards) > 1 and listed(folder) >= shards | {"model.safetensors.index.json"}
    SpatialLLM.from_pretrained(folder)
    # transformers takes a single file first.
    (folder / "model.safetensors").write_bytes((folder / sorted(shards)[0]).read_bytes())
    with pytest.raises(SpatialLLMError):
        SpatialLLM.from_pretrained(folder)
    model.save_pretrained(folder)
    assert not listed(folder) & shards
    SpatialLLM.from_pretrained(folder)


def test_a_tokenizer_saved_again_is_no_change(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer(["a", "a longer text"], padding=True, truncation=True, max_length=4)
    tokenizer.save_pretrained(folder)
    SpatialLLM.from_pretrained(folder)


def test_a_state_dict_as_trainers_save_it(model, tmp_path):
    model.save_pretrained(tmp_path, state_dict=model.state_dict())
    tiny_processor().save_pretrained(tmp_path)
    SpatialLLM.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path / "second", is_main_process=False)
    assert not (tmp_path / "second" / SEAL).exists()


def test_what_is_pushed_has_its_own_seal(model, tmp_path, monkeypatch):
    """An earlier seal on the hub beside new weights would be a false alarm."""
    sent = []
    monkeypatch.setattr(
        PushToHubMixin, "_upload_modified_files", lambda self, folder, *a, **k: sent.append(listed(tmp_path))
    )
    model._upload_modified_files(tmp_path, "name", {})
    model.save_pretrained(tmp_path)
    model._upload_modified_files(tmp_path, "name", {})
    tiny_processor()._upload_modified_files(tmp_path, "name", {})
    assert "model.safetensors" in sent[1] and "model.safetensors" in sent[2]


def test_packing_seals_and_does_not_launder(folder, tmp_path):
    pack(folder, tmp_path / "packed")
    assert listed(tmp_path / "packed") == listed(folder)
    SpatialLLM.from_pretrained(tmp_path / "packed")
    change(folder / "config.json", freeze_encoder=False)
    with pytest.raises(CheckpointError, match=r"config\.json is not the file"):
        pack(folder, tmp_path / "again")


def test_an_encoder_is_sealed_too(tmp_path):
    encoder = SpatialASTForLocalization(tiny_config("spatial_ast"))
    encoder.save_pretrained(tmp_path)
    for door in (SpatialASTForLocalization, SpatialASTModel, AutoModel):
        door.from_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["event_head.bias"] = state["event_head.bias"] + 1
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not the file"):
        SpatialASTForLocalization.from_pretrained(tmp_path)
    assert main(["seal", str(tmp_path)]) == 0
    SpatialASTForLocalization.from_pretrained(tmp_path)


def test_damaged_and_later_seals(folder):
    known = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    for content in (
        "{",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 1, "files": {"../a": {}}}',
        '{"version": 1, "files": {"a": 1}}',
    ):
        (folder / SEAL).write_text(content, encoding="utf-8")
        with pytest.raises(CheckpointError, match=r"seal\.json"):
            SpatialLLM.from_pretrained(folder)
    tiny_processor().save_pretrained(folder)  # a save writes a damaged one anew
    assert "processor_config.json" in listed(folder)
    (folder / SEAL).write_text(json.dumps(known | {"version": 2}), encoding="utf-8")
    with pytest.warns(UserWarning, match="later version"):
        SpatialLLM.from_pretrained(folder)
    (folder / SEAL).write_text(json.dumps(known), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SpatialLLM.from_pretrained(folder)


def test_of_a_large_file_header_ends_and_a_share_are_covered(folder, monkeypatch):
    path = folder / "model.safetensors"
    whole = digest(path)
    assert whole["covered_bytes"] == whole["bytes"] == path.stat().st_size
    monkeypatch.setattr(seal, "_BLOCK", 256)
    monkeypatch.setattr(seal, "_MOST_BYTES", 2048)
    sampled, content = digest(path), bytearray(path.read_bytes())
    assert sampled["covered_bytes"] == 2048 < sampled["bytes"]
    for place in (9, 3000, len(content) - 1):  # the header is read whole
        content[place] ^= 1
        path.write_bytes(content)
        assert digest(path) != sampled
        content[place] ^= 1


def test_one_seal_for_both_parts(folder):
    before = (folder / SEAL).read_bytes()
    seal.write_seal(folder, MODEL)
    seal.write_seal(folder, PROCESSOR)
    assert (folder / SEAL).read_bytes() == before
