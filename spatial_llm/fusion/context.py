"""What one forward pass hands to the layers of the language model: the audio, and who may attend to what.

The columns of a prompt keep their numbers (`slots`) wherever its tokens go, so one rule serves every fusion:

    a query attends to a key if slot[key] <= slot[query] and the key is no padding.

It gives causal text; text before a recording that does not hear it; several recordings in one prompt; and decoding, where
new tokens get the next slots. The keys of a fused layer are stored as [audio | text]; their order in memory does not matter,
because rotary positions are explicit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from spatial_llm.errors import SpatialLLMError

if TYPE_CHECKING:
    from spatial_llm.fusion.base import Fusion

ARGUMENT = "audio_context"  # keyword argument of the language model that carries the context to its layers
MEMORY = "audio_memory"  # attribute of a cache that carries the memory from one call to the next
BEYOND = torch.iinfo(torch.int32).max  # slot of a key that nothing may attend to


@dataclass
class AudioMemory:
    """Holds what later tokens of a generation hear; it travels with the cache of the language model.

    Attributes:
        tokens: audio tokens that are no rows of the sequence (batch, audio, audio width), each row's first; None once the
            layers have kept what they need.
        slots: column of each in the prompt (batch, audio).
        valid: (batch, audio), False where a prompt has fewer tokens than the longest of the batch.
        length: columns of the prompts, placeholders and padding included.
        prompt_valid: (batch, length), False on padding.
        text_slots: column of each row of the sequence in the prompt (batch, text).
        text_valid: (batch, text).
        kept: keys and values (batch, heads, audio, head width) of the audio by layer.
    """

    tokens: torch.Tensor | None
    slots: torch.Tensor
    valid: torch.Tensor
    length: int
    prompt_valid: torch.Tensor
    text_slots: torch.Tensor
    text_valid: torch.Tensor
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def of_prompts(self, rows: torch.Tensor) -> AudioMemory:
        """Returns the memory of the prompts with the indices `rows` (rows,)."""
        chosen: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in chosen.items():
            if isinstance(value, torch.Tensor):
                chosen[name] = value[rows.to(value.device)]
        chosen["kept"] = {layer: tuple(each[rows.to(each.device)] for each in both) for layer, both in self.kept.items()}
        return AudioMemory(**chosen)


def keep_with(cache: Any, memory: AudioMemory) -> None:
    """Leaves `memory` with `cache`, in place, and lets it follow when the cache's prompts are reordered, chosen or repeated:
    otherwise an answer would hear the recording of another prompt."""
    setattr(cache, MEMORY, memory)
    for method in ("reorder_cache", "batch_select_indices", "batch_repeat_interleave"):
        if hasattr(type(cache), method):
            setattr(cache, method, partial(_both, cache, method))


def _both(cache: Any, method: str, given: Any) -> None:
    getattr(type(cache), method)(cache, given)
    memory: AudioMemory = getattr(cache, MEMORY)
    rows = torch.as_tensor(given)
    if method == "batch_repeat_interleave":
        rows = torch.arange(memory.slots.shape[0]).repeat_interleave(given)
    setattr(cache, MEMORY, memory.of_prompts(rows))


@dataclass
class AudioContext:
    """Holds what the fused layers need in one forward pass; it travels to them as the keyword argument `audio_context`.

    Attributes:
        fusion: the fusion, whose methods the hooks call.
        language_model: the language model, for its rotary embeddings and norms.
        memory: the audio.
        text_slots: slots of all text so far, that in the cache included (batch, text).
        text_valid: (batch, text).
        rows: rows of this call, the last of the text.
        audio_positions: position of each audio token (batch, audio); None where its keys are not rotated.
        prefill: whether the prompt itself is read, and no cache holds its audio yet.
        shared_text: the rows of the call stand for all prompts of the batch, which are equal (see `fusion.delayed`).
        heard: layers that heard the audio so far.
    """

    fusion: Fusion
    language_model: nn.Module
    memory: AudioMemory
    text_slots: torch.Tensor
    text_valid: torch.Tensor
    rows: int
    audio_positions: torch.Tensor | None
    prefill: bool
    shared_text: bool = False
    heard: set[int] = field(default_factory=set)
    _masks: dict[tuple, Any] = field(default_factory=dict)

    def position_embeddings(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Returns cosine and sine (batch, audio, head width) of the audio tokens' positions; None where keys are not
        rotated."""
        if self.audio_positions is None:
            return None
        if "rotary" not in self.__dict__:
            rotary = self.language_model.get_decoder().rotary_emb
            self.__dict__["rotary"] = rotary(hidden, position_ids=self.audio_positions.to(hidden.device))
        return self.__dict__["rotary"]

    def mask(self, config: Any, hidden: torch.Tensor, text_length: int, audio_queries: bool = False) -> Any:
        """Returns the mask of a fused layer over keys [audio | text], in the form of the attention implementation.

        Args:
            config: config of the attention, which names its implementation.
            hidden: states of the layer, for device and number type.
            text_length: keys of text in this layer; a static cache has more than there are yet.
            audio_queries: whether the audio makes queries too, in front of those of the text.

        Raises:
            SpatialLLMError: flash attention, which takes no such mask.
        """
        key = (config._attn_implementation, hidden.dtype, str(hidden.device), text_length, audio_queries)
        if key not in self._masks:
            self._masks[key] = self._mask(config, hidden, text_length, audio_queries)
        return self._masks[key]

    def _mask(self, config: Any, hidden: torch.Tensor, text_length: int, audio_queries: bool) -> Any:
        implementation = config._attn_implementation
        if implementation not in ("eager", "sdpa", "flex_attention"):
            raise SpatialLLMError(
                f"the language model attends with {implementation}, which cannot express what this fusion hears; give "
                'attn_implementation={"text_config": "sdpa"} (or eager, flex_attention).'
            )
        device, text = hidden.device, self.text_slots
        beyond = text.new_full((text.shape[0], text_length - text.shape[1]), BEYOND)
        keys = torch.cat([self.memory.slots, text, beyond], dim=1).to(device)
        valid = torch.cat([self.memory.valid, self.text_valid, beyond < 0], dim=1).to(device)
        queries = text[:, text.shape[1] - self.rows :]
        queries = torch.cat([self.memory.slots, queries], dim=1) if audio_queries else queries
        queries = queries.to(device)
        return ALL_MASK_ATTENTION_FUNCTIONS[implementation](
            batch_size=keys.shape[0],
            q_length=queries.shape[1],
            kv_length=keys.shape[1],
            q_offset=0,
            kv_offset=0,
            mask_function=lambda batch, head, query, key: keys[batch, key] <= queries[batch, query],
            attention_mask=valid,
            # Without this, sdpa may drop the mask for its own causal one, which is aligned with the first keys: the audio.
            allow_is_causal_skip=False,
            dtype=hidden.dtype,
            config=config,
            use_vmap=False,
            device=device,
        )

    def check_heard(self, num_layers: int) -> None:
        """Raises SpatialLLMError if a fused layer did not hear the audio, as after a tool removed this library's hooks."""
        if torch.compiler.is_compiling():
            return
        deaf = sorted(set(self.fusion.fused_layers(num_layers)) - self.heard)
        if deaf:
            raise SpatialLLMError(
                f"layers {deaf} of {type(self.language_model).__name__} did not hear the audio, although fusion "
                f"{self.fusion.name} is built into them: their hooks are gone, or their arguments do not reach them. Load "
                "the model again, or call spatial_llm.fusion.attach(model.language_model)."
            )
