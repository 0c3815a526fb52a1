"""A model goes to the hub with its card in one commit; the hub is a stand-in that records calls, because none is here."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import HfApi, ModelCard

from spatial_llm import SpatialLLM
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import publishing
from spatial_llm.model.modeling_spatial_llm import SpatialLLMForConditionalGeneration
from spatial_llm.shipped import shipped_models
from spatial_llm.testing import tiny_config, tiny_processor


class Hub:
    """Takes the calls of `HfApi` and keeps what was uploaded."""

    def __init__(self, folder: Path, has: tuple[str, ...] = ()) -> None:
        self.folder, self.has, self.calls = folder, has, []

    def __call__(self, token=None):
        self.token = token
        return self

    def create_repo(self, repo_id, *, private, exist_ok):
        self.calls.append(("create_repo", repo_id, private, exist_ok))
        return SimpleNamespace(repo_id=repo_id)

    def file_exists(self, repo_id, filename, *, revision):
        return filename in self.has

    def repo_exists(self, repo_id):
        return repo_id in self.has

    def upload_folder(self, *, repo_id, folder_path, revision, commit_message, ignore_patterns, delete_patterns):
        shutil.copytree(folder_path, self.folder, ignore=shutil.ignore_patterns(*ignore_patterns or []))
        self.calls.append(("upload_folder", repo_id, revision, commit_message, tuple(delete_patterns)))
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")


def model():
    torch.manual_seed(0)
    return SpatialLLM(
        SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration")), tiny_processor()
    )


def hub(monkeypatch, folder, has=()):
    found = Hub(folder, has)
    monkeypatch.setattr(publishing, "HfApi", found)
    return found


def check_card(text):
    """What the hub's own check asks of a card, as far as it can be asked offline; returns the card."""
    card = ModelCard(text)
    assert not hasattr(card.data, "model_name") or card.data.model_name is None
    fields = card.data.to_dict()
    assert fields["pipeline_tag"] == "audio-text-to-text" and fields["library_name"] == "spatial-llm"
    assert re.fullmatch(r"[a-z]{2,3}", fields["language"])
    assert fields["tags"] and all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in fields["tags"])
    assert re.fullmatch(r"[a-z0-9.-]+", fields.get("license", "mit"))
    headings = re.findall(r"^#+ .*$", card.text, re.M)
    assert headings[1:3] == ["## How to use it", "## What it cannot do"]
    assert card.text.index("## What it cannot do") < card.text.index("\n|"), "what it cannot do stands before any table"
    return card


def test_model_and_card_go_up_in_one_commit(tmp_path, monkeypatch):
    pushed = hub(monkeypatch, tmp_path / "up", has=("org/llama",))
    joined = model()
    joined.model.language_model.name_or_path = "org/llama"
    joined.model.encoder.name_or_path = "runs/encoder"
    address = joined.push_to_hub("me/ears", private=True, token="t", metadata={"license": "cc-by-nc-4.0"})
    assert address == "https://hub/me/ears/commit/1" and pushed.token == "t"
    assert [call[0] for call in pushed.calls] == ["create_repo", "upload_folder"]
    assert pushed.calls[0] == ("create_repo", "me/ears", True, True)
    assert pushed.calls[1][1:4] == ("me/ears", None, "Upload SpatialLLM")
    card = check_card((tmp_path / "up" / "README.md").read_text(encoding="utf-8"))
    assert card.data.base_model == ["org/llama"] and card.data.license == "cc-by-nc-4.0"
    assert "| encoder | spatial_ast | width 48, layers 2 |" in card.text and "| fusion | prefix |" in card.text
    assert 'SpatialLLM.from_pretrained("me/ears")' in card.text and "0.31 s" in card.text
    back = SpatialLLM.from_pretrained(tmp_path / "up")
    assert all(torch.equal(one, back.model.state_dict()[key]) for key, one in joined.model.state_dict().items())


def test_a_card_that_is_there_is_kept(tmp_path, monkeypatch):
    hub(monkeypatch, tmp_path / "up", has=("README.md",))
    with pytest.warns(UserWarning, match="has a card already, which is kept"):
        model().push_to_hub("me/ears")
    assert not (tmp_path / "up" / "README.md").exists() and (tmp_path / "up" / "config.json").exists()


def test_training_is_told_where_the_folder_has_it(tmp_path):
    model().save_pretrained(tmp_path / "run" / "model")
    assert "## Training" not in publishing.model_card(SpatialLLM.from_pretrained(tmp_path / "run" / "model"), "m").text
    made = {"seed": 7, "git_hash": None, "manifest_sha256": "ab" * 32, "versions": {"torch": "2.13"}}
    (tmp_path / "run" / "provenance.json").write_text(json.dumps(made))
    text = publishing.model_card(SpatialLLM.from_pretrained(tmp_path / "run" / "model"), "m").text
    assert "| seed | `7` |" in text and f"| manifest_sha256 | `{'ab' * 32}` |" in text and "| torch | `2.13` |" in text
    assert "git_hash" not in text and "licence is not stated" in text


def test_the_model_of_the_package_keeps_its_card_while_its_weights_are_unchanged(tmp_path, monkeypatch):
    hub(monkeypatch, tmp_path / "up")
    tiny = SpatialLLM.from_pretrained("tiny")
    tiny.push_to_hub("me/tiny")
    own = shipped_models()["tiny"]
    card = check_card((tmp_path / "up" / "README.md").read_text(encoding="utf-8"))
    assert card.text.strip() == check_card((own / "README.md").read_text(encoding="utf-8")).text.strip()
    assert card.data.license == "apache-2.0"
    assert (tmp_path / "up" / "credits.csv").read_bytes() == (own / "credits.csv").read_bytes()
    with torch.no_grad():
        tiny.model.projector.query += 1e-3
    hub(monkeypatch, tmp_path / "changed")
    tiny.push_to_hub("me/tiny")
    assert "B_DER" not in (tmp_path / "changed" / "README.md").read_text(encoding="utf-8")


def test_what_the_hub_refuses_is_a_sentence(monkeypatch):
    monkeypatch.setattr(HfApi, "create_repo", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("no route\nmore")))
    with pytest.raises(SpatialLLMError, match=r"me/ears was not published: no route Check the name") as caught:
        model().push_to_hub("me/ears")
    assert "\n" not in str(caught.value)
