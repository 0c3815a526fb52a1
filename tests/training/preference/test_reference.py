"""The stored reference: computed once, found again for the same model, pairs and batches, and for nothing else."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from spatial_llm import SpatialLLM
from spatial_llm.data.preference.dataset import PairCollator, PairDataset
from spatial_llm.data.preference.pair import PairFile
from spatial_llm.errors import CacheError
from spatial_llm.jsonl import read_jsonl, write_jsonl
from spatial_llm.training.engine.trainable import state_hash
from spatial_llm.training.preference import reference
from spatial_llm.training.preference.reference import PairLogProbs, epoch_batches, reference_log_probs


@pytest.fixture(scope="module")
def loaded(toy: Path) -> SpatialLLM:
    return SpatialLLM.from_pretrained(toy)


def dataset(loaded: SpatialLLM, path: str) -> PairDataset:
    config = loaded.model.config.encoder_config
    return PairDataset(PairFile(path), config.sampling_rate, config.window_samples)


def computed(loaded: SpatialLLM, path: str, folder: Path, batch_size: int = 4, seed: int = 0) -> PairLogProbs:
    pairs, collate = dataset(loaded, path), PairCollator(loaded.processor)
    return reference_log_probs(loaded.model, state_hash(loaded.model), pairs, collate, folder, batch_size, seed, "fp32")


def test_computed_once_and_again_only_for_something_else(loaded, pairs, tmp_path, monkeypatch):
    first = computed(loaded, pairs["eval"], tmp_path)
    assert torch.isfinite(first.sums).all() and (first.tokens > 0).all()
    asked = []
    plain = reference.log_probs_of
    monkeypatch.setattr(reference, "log_probs_of", lambda *given: (asked.append(1), plain(*given))[1])
    again = computed(loaded, pairs["eval"], tmp_path)
    assert torch.equal(again.sums, first.sums) and torch.equal(again.tokens, first.tokens) and not asked
    # Another order of batches pads otherwise: the last bits may differ.
    other = computed(loaded, pairs["eval"], tmp_path, seed=1)
    torch.testing.assert_close(other.sums, first.sums, rtol=0, atol=1e-3)
    assert len(asked) == 1
    weight = loaded.model.projector.get_parameter(next(name for name, _ in loaded.model.projector.named_parameters()))
    with torch.no_grad():
        weight += 1e-3
    computed(loaded, pairs["eval"], tmp_path)
    with torch.no_grad():
        weight -= 1e-3
    changed = [line for _, line in read_jsonl(pairs["eval"])]
    changed[0]["rejected"] += " indeed"
    path = Path(pairs["eval"]).with_name("changed.jsonl")
    write_jsonl(path, changed)
    computed(loaded, str(path), tmp_path)
    assert len(asked) == 3 and len(list(tmp_path.glob("*.safetensors"))) == 4


def test_values_are_sums_or_means_of_tokens():
    found = PairLogProbs(2)
    found.put(torch.tensor([1]), torch.tensor([[-6.0, -8.0]]), torch.tensor([[3, 2]]))
    assert found.values(torch.tensor([1]), False).tolist() == [[-6.0, -8.0]]
    assert found.values(torch.tensor([1]), True).tolist() == [[-2.0, -4.0]]
    assert torch.isnan(found.sums[0]).all()


def test_batches_are_those_of_the_first_epoch():
    keys = epoch_batches(10, 4, seed=3)
    assert [len(batch) for batch in keys] == [4, 4, 2]
    assert sorted(index for batch in keys for _, _, index in batch) == list(range(10))
    assert [(epoch, place) for batch in keys for epoch, place, _ in batch] == [(0, place) for place in range(10)]


@pytest.mark.parametrize("damage", ["other", "bits", "cut"])
def test_a_file_that_does_not_fit_is_refused(loaded, pairs, tmp_path, damage):
    computed(loaded, pairs["eval"], tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    tensors = load_file(file)
    if damage == "other":
        made_with = json.dumps({"layout": 1, "model": "another"})
        save_file(tensors, file, metadata={"made_with": made_with, "digest": "0"})
    elif damage == "bits":
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(bytes(content))
    else:
        file.write_bytes(file.read_bytes()[:-40])
    words = {"other": "the reference of another model", "bits": "is not what was written", "cut": "cannot be read"}
    with pytest.raises(CacheError, match=words[damage]) as refused:
        computed(loaded, pairs["eval"], tmp_path)
    assert file.name in str(refused.value) and "delete it" in str(refused.value)
