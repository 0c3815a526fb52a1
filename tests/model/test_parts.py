"""A saved model taken apart: each part alone answers as it does in the whole, with LoRA merged and without it."""

from pathlib import Path

import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from spatial_llm.cli import main
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.parts import save_parts
from spatial_llm.testing import TINY_FUSIONS, tiny_config, tiny_inputs, tiny_processor

WORDS = torch.tensor([[1, 9, 12, 7, 30], [1, 8, 8, 25, 4]])


def saved(fusion: str = "prefix") -> SpatialLLM:
    """A tiny composite whose LoRA changes the answers."""
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration", "dspast", fusion=fusion)
    model = SpatialLLMForConditionalGeneration(config).eval()
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data.normal_(std=0.5)
    return SpatialLLM(model, tiny_processor("dspast", fusion=fusion))


def logits_of(language_model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return language_model(input_ids=WORDS).logits


@pytest.mark.parametrize("fusion", TINY_FUSIONS)
def test_parts_alone_answer_as_in_the_whole(fusion: str, tmp_path: Path) -> None:
    whole = saved(fusion)
    before = {name: tensor.clone() for name, tensor in whole.model.state_dict().items()}
    with_lora = logits_of(whole.model.language_model)
    save_parts(whole, tmp_path / "base")
    save_parts(whole, tmp_path / "merged", merged=True)
    assert before.keys() == whole.model.state_dict().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.model.state_dict().items()), "left as it was"
    features = tiny_inputs(whole.model.config)["input_features"]
    for folder in ("base", "merged"):
        encoder = AutoModel.from_pretrained(tmp_path / folder / "encoder").eval()
        with torch.no_grad():
            ours, its = (one(features).last_hidden_state for one in (encoder, whole.model.encoder))
        assert torch.equal(ours, its)
        extractor = AutoFeatureExtractor.from_pretrained(tmp_path / folder / "encoder")
        assert extractor.to_dict() == whole.processor.feature_extractor.to_dict()
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / folder / "language_model")
        assert tokenizer("Where is the bell?").input_ids == whole.processor.tokenizer("Where is the bell?").input_ids
    merged = logits_of(AutoModelForCausalLM.from_pretrained(tmp_path / "merged" / "language_model").eval())
    torch.testing.assert_close(merged, with_lora, atol=1e-5, rtol=1e-4)
    base = logits_of(AutoModelForCausalLM.from_pretrained(tmp_path / "base" / "language_model").eval())
    for name, parameter in whole.model.named_parameters():
        if ".lora_B" in name:
            parameter.data.zero_()
    assert torch.equal(base, logits_of(whole.model.language_model)), "the language model that LoRA was trained on"
    assert (base - merged).abs().max() > 0.1


def test_the_command_writes_both_and_says_what_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    whole = saved()
    whole.save_pretrained(tmp_path / "model")
    for name, options in (("base", []), ("merged", ["--merged"])):
        assert main(["parts", str(tmp_path / "model"), str(tmp_path / name), *options]) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}: encoder and language_model\n"
        assert {path.name for path in (tmp_path / name).iterdir()} == {"encoder", "language_model"}
    base, merged = (
        AutoModelForCausalLM.from_pretrained(tmp_path / name / "language_model").eval() for name in ("base", "merged")
    )
    assert not torch.allclose(logits_of(base), logits_of(merged))
    assert main(["parts", str(tmp_path / "none"), str(tmp_path / "x")]) == 1
    assert "no such folder" in capsys.readouterr().err and not (tmp_path / "x").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(SpatialLLMError, match="file"):
        save_parts(whole, tmp_path / "file" / "below")
    whole.model.merge_and_unload()
    with pytest.raises(SpatialLLMError):
        save_parts(whole, tmp_path / "y", merged=True)
