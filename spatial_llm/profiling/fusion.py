"""Compares fusions at one shape of language model: seconds and bytes of a training step and of an answer, and the
multiply-adds that they should take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LlamaConfig, PreTrainedModel

from spatial_llm.encoders import SpatialASTConfig, TokenLayout
from spatial_llm.fusion import Delayed, Fusion, GatedCrossAttention, Lal, read_fusion
from spatial_llm.model import SpatialLLMConfig
from spatial_llm.profiling.gpu import Case, build_random
from spatial_llm.profiling.memory import PeakBytes
from spatial_llm.projectors import MLPProjectorConfig

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Shape:
    """A question about one recording.

    Attributes:
        text: sizes of the language model.
        text_tokens: tokens of question and answer; the audio has one token for each patch of a SpatialAST, 512.
        new_tokens: tokens of an answer that is generated.
        batch_size: questions of a step.
    """

    text: LlamaConfig
    text_tokens: int = 64
    new_tokens: int = 16
    batch_size: int = 1

    @property
    def audio_tokens(self) -> int:
        """Returns the audio tokens of a recording."""
        rows, columns = self.layout.grid
        return rows * columns

    @property
    def layout(self) -> TokenLayout:
        """Returns the layout of the encoder's tokens, those of a SpatialAST."""
        return SpatialASTConfig().token_layout


def build(shape: Shape, fusion: dict[str, Any] | None) -> PreTrainedModel:
    """Returns a composite with random weights in bf16, LoRA as BAT's, and an MLP projector that keeps every patch."""
    given = read_fusion(fusion)
    projector = MLPProjectorConfig(rows_per_token=1, columns_per_token=1, hidden_size=768, encoder_hidden_size=768,
                                   text_hidden_size=given.audio_width(shape.text.hidden_size))  # fmt: skip
    config = SpatialLLMConfig(
        encoder_config=SpatialASTConfig(num_hidden_layers=1), projector_config=projector, text_config=shape.text,
        audio_token_id=shape.text.vocab_size, lora={}, fusion=fusion,
    )  # fmt: skip
    case = Case("none", True, False, shape.batch_size, shape.text_tokens, "bf16")
    model = build_random(config, case, CPU)
    model.generation_config.eos_token_id = None
    return model


def inputs_of(model: PreTrainedModel, shape: Shape) -> dict[str, torch.Tensor]:
    """Returns random prompts, the audio first, and encoder output (batch, 515, 768)."""
    layout = model.config.encoder_config.token_layout
    random = torch.Generator().manual_seed(0)
    words = torch.randint(0, shape.text.vocab_size, (shape.batch_size, shape.text_tokens), generator=random)
    audio = torch.full((shape.batch_size, model.config.num_audio_tokens), model.config.audio_token_id)
    hidden = torch.randn(shape.batch_size, layout.num_tokens, 768, generator=random)
    ids = torch.cat([audio, words], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "audio_hidden_states": hidden}


def training_step(model: PreTrainedModel, shape: Shape) -> Callable[[], None]:
    """Returns a function that goes forward and backward once, under bf16 autocast."""
    inputs = inputs_of(model, shape)
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] == model.config.audio_token_id, -100)

    def step() -> None:
        model.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**inputs, labels=labels, use_cache=False).loss
        loss.backward()
        model.zero_grad(set_to_none=True)

    return step


def answering(model: PreTrainedModel, shape: Shape) -> Callable[[], None]:
    """Returns a function that generates an answer to each question, greedily and with a cache."""
    inputs = inputs_of(model, shape)

    def answer() -> None:
        model.eval()
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            model.generate(**inputs, max_new_tokens=shape.new_tokens, min_new_tokens=shape.new_tokens, do_sample=False,
                           suppress_tokens=[])  # fmt: skip

    return answer


def kept_bytes(model: PreTrainedModel, step: Callable[[], None]) -> int:
    """Returns the bytes that a step of `model` keeps for its backward pass, weights left out: exact, each storage counted
    once."""
    seen: dict[int, tuple[int, torch.Tensor]] = {}
    # By storage, because a transposed weight is no parameter.
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no other takes its place in memory
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return sum(size for size, _ in seen.values())


def peak_bytes(work: Callable[[], None]) -> int:
    """Returns the most bytes alive at once that `work` made, weights left out."""
    with PeakBytes() as counted:
        work()
    return counted.peak


def multiply_adds(shape: Shape, fusion: Fusion) -> float:
    """Returns the multiply-adds of the language model's forward pass in a training step: its layers, with what a fusion does
    in them, and its head. LoRA, and the summary tokens of a hybrid, are left out.

    A row takes 2 d^2 + 2 d d_kv + 3 d f in a layer, and attention 2 d for each pair of query and key. With LAL the audio
    takes d_c d + 2 d d_kv a token in a fused layer, d_c being the width of its tokens. With delayed fusion it makes rows in
    the fused layers. A gated cross-attention of inner width h takes 2 d h + 2 m d^2 a row (m d: width of its feed-forward
    layer), 2 d_c h a token, and 2 h for each pair.
    """
    text = shape.text
    width, kv = text.hidden_size, text.num_key_value_heads * text.head_dim
    row = 2 * width**2 + 2 * width * kv + 3 * width * text.intermediate_size
    audio = shape.audio_tokens
    rows = shape.text_tokens + fusion.num_rows(audio, shape.layout)
    fused = len(fusion.fused_layers(text.num_hidden_layers))
    plain = rows * row + 2 * rows**2 * width
    match fusion:
        case Lal():
            heard = plain + audio * (fusion.width * width + 2 * width * kv + 2 * rows * width)
        case Delayed():
            heard = (rows + audio) * row + 2 * (rows + audio) ** 2 * width
        case GatedCrossAttention():
            inner = fusion.heads * fusion.head_dim
            block = rows * (2 * width * inner + 2 * fusion.ffn * width**2)
            heard = plain + block + audio * (2 * fusion.width * inner + 2 * rows * inner)
        case _:
            heard = plain
    layers = fused * heard + (text.num_hidden_layers - fused) * plain
    return shape.batch_size * (layers + rows * width * text.vocab_size)
