"""Sixteen questions are learned to exact answers with every fusion and every projector: the audio gets through.

One question is asked about sixteen recordings, so that its words alone do not tell the answer.
"""

import pytest
import torch

from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.testing import TINY_FUSIONS, TINY_PROJECTORS, tiny_config, tiny_inputs

QUESTIONS, LETTERS, STEPS = 16, 5, 800


@pytest.mark.slow
@pytest.mark.parametrize("projector", TINY_PROJECTORS)
@pytest.mark.parametrize("fusion", TINY_FUSIONS)
def test_sixteen_questions(fusion, projector):
    config = tiny_config("SpatialLLMForConditionalGeneration", "dspast", projector, fusion)
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config.lora = {"rank": 8, "alpha": 16, "dropout": 0.0, "target_modules": linear}
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(config).eval()
    # Larger than fresh weights, so that LoRA has something to turn.
    for parameter in model.language_model.parameters():
        if not parameter.requires_grad:
            parameter.data.mul_(4)
    prompts = tiny_inputs(config, batch_size=QUESTIONS)["input_ids"]
    prompts[:] = prompts[:1]  # one question, sixteen recordings
    answers = torch.randint(10, config.text_config.vocab_size, (QUESTIONS, LETTERS))
    layout = config.encoder_config.token_layout
    hidden = torch.randn(QUESTIONS, layout.num_tokens, config.encoder_config.hidden_size)
    ids = torch.cat([prompts, answers], dim=1)
    labels = torch.cat([torch.full_like(prompts, -100), answers], dim=1)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3, weight_decay=0.0)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / STEPS)
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), audio_hidden_states=hidden, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if loss < 0.01:
            break
    found = model.generate(
        input_ids=prompts, audio_hidden_states=hidden, max_new_tokens=LETTERS, min_new_tokens=LETTERS, do_sample=False,
        suppress_tokens=[config.audio_token_id],
    )  # fmt: skip
    assert torch.equal(found[:, prompts.shape[1] :], answers), loss.item()
