"""A small decoder writes the caption from the encoder's tokens; it is thrown away after training.

How well it writes is of no interest: what it needs of the tokens is what the encoder learns (CaptionStew compares this with
contrastive training at large scale). Of an encoder whose channels are divided, the same decoder writes the text of each
slice from the tokens of that slice.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Count, Within
from spatial_llm.training.encoder.objectives.base import Added, TextObjective
from spatial_llm.training.encoder.scene_texts import SceneTexts
from spatial_llm.training.tiny.language_model import build_tokenizer

IGNORED = -100  # a label without a loss
VocabularySize = Annotated[int, Within(259)]  # every byte is a token, and three more


class CaptionHead(Added):
    """A causal decoder that attends to the tokens of one slice, marked by what the slice is for.

    Args:
        decoder: a causal language model with cross-attention.
        layout: of the encoder's tokens.
        labels: (texts, longest), token ids of all texts from BOS to EOS, then `IGNORED`.
    """

    def __init__(self, decoder: GPT2LMHeadModel, layout: TokenLayout, labels: torch.Tensor) -> None:
        super().__init__()
        self.decoder, self.layout = decoder, layout
        width = decoder.config.n_embd
        self.reading = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(size), nn.Linear(size, width)) for size in layout.slice_sizes
        )
        self.register_buffer("labels", labels, persistent=False)

    def forward(self, localizer: nn.Module, hidden_states: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        slices = [hidden_states[..., start:stop] for start, stop in self.layout.channel_slices]
        # Each slice has its own linear layer, whose bias marks it; (B * views, tokens, width), view by view.
        memory = torch.cat([read(part) for read, part in zip(self.reading, slices, strict=True)])
        labels = self.labels[batch["text_rows"].T.flatten()]
        labels = labels[:, : int((labels != IGNORED).sum(dim=1).max())]
        written = labels != IGNORED
        return self.decoder(
            input_ids=labels.clamp(min=0),
            attention_mask=written.long(),
            encoder_hidden_states=memory,
            labels=labels,
            use_cache=False,
        ).loss


@dataclass
class Captioning(TextObjective):
    """Cross-entropy of the tokens of the caption.

    Attributes:
        decoder_size, decoder_layers, decoder_heads: of the decoder, a GPT-2 with cross-attention.
        vocab_size: tokens of its byte-level BPE, which is trained on the captions.
    """

    name: ClassVar[str] = "captioning"

    decoder_size: Count = 128
    decoder_layers: Count = 2
    decoder_heads: Count = 4
    vocab_size: VocabularySize = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoder_size % self.decoder_heads:
            raise SpatialLLMError(
                f"objective.decoder_size is {self.decoder_size}, with {self.decoder_heads} heads; give a multiple of "
                "objective.decoder_heads."
            )

    def begin(self, localizer: nn.Module, texts: SceneTexts, folder: Path) -> CaptionHead:
        tokenizer = build_tokenizer(texts.texts, self.vocab_size)
        ids = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts.texts]
        longest = max(map(len, ids))
        labels = torch.tensor([row + [IGNORED] * (longest - len(row)) for row in ids])
        config = GPT2Config(
            vocab_size=len(tokenizer), n_positions=longest, n_embd=self.decoder_size, n_layer=self.decoder_layers,
            n_head=self.decoder_heads, add_cross_attention=True, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        return CaptionHead(GPT2LMHeadModel(config), localizer.config.token_layout, labels)
