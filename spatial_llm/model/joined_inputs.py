"""Joins prompts and audio to what the language model is called with, as the fusion demands.

With a prefix, audio tokens replace their placeholders. With a deep fusion, placeholders are taken out: the sequence holds
text (and the rows that a fusion makes of a clip), and the other tokens of the audio travel to the fused layers in an
`AudioContext`. Positions are those of the whole prompt, placeholders included, so the same batch serves every fusion.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.fusion.compaction import Columns, divide
from spatial_llm.fusion.context import ARGUMENT, AudioContext, AudioMemory, keep_with
from spatial_llm.fusion.delayed import Delayed
from spatial_llm.fusion.lal import Lal
from spatial_llm.fusion.outside import FusionModules
from spatial_llm.projectors.base import AudioTokens


@dataclass
class JoinedInputs:
    """Holds the arguments of the language model for one call.

    Attributes:
        inputs_embeds: (batch, rows, text width).
        attention_mask: (batch, rows so far), or as it was given.
        position_ids: (batch, rows), or as they were given.
        labels: (batch, rows), or as they were given.
        text_columns: column of the prompt of each row (batch, rows); None if rows are columns.
        context: what fused layers hear; None if nothing is fused inside the language model.
        audio_loss: (), what projectors add to the loss; None where they add nothing.
    """

    inputs_embeds: torch.Tensor
    attention_mask: Any
    position_ids: torch.Tensor | None
    labels: torch.Tensor | None = None
    text_columns: torch.Tensor | None = None
    context: AudioContext | None = None
    audio_loss: torch.Tensor | None = None

    def arguments(self) -> dict[str, Any]:
        """Returns keyword arguments of the language model, without labels."""
        given = {name: getattr(self, name) for name in ("inputs_embeds", "attention_mask", "position_ids")}
        return given if self.context is None else given | {ARGUMENT: self.context}

    def of_text(self, states: Any) -> Any:
        """Returns hidden states (batch, rows, width), or each of a tuple of them, without rows of audio in front."""
        if self.context is None or states is None:
            return states
        if isinstance(states, tuple):
            return tuple(self.of_text(each) for each in states)
        rows = self.inputs_embeds.shape[1]
        # The very tensor where nothing is cut, so that a caller may ask for its gradient.
        return states if states.shape[1] == rows else states[:, -rows:]

    def finish(self, outputs: Any) -> None:
        """Checks that all fused layers heard the audio, and leaves the memory with the cache for later tokens.

        Raises:
            SpatialLLMError: a fused layer did not hear it.
        """
        if self.context is None:
            return
        self.context.check_heard(self.context.language_model.config.get_text_config().num_hidden_layers)
        memory, cache = self.context.memory, outputs.get(CACHE)
        if cache is not None and self.context.prefill:
            memory.tokens = None
            keep_with(cache, memory)
            if self.context.shared_text:
                for layer in cache.layers[: self.context.fusion.fused_layers(len(cache.layers))[0]]:
                    layer.batch_repeat_interleave(memory.slots.shape[0])


def join(
    model: nn.Module,
    placeholders: torch.Tensor,
    inputs_embeds: torch.Tensor,
    audio: AudioTokens,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    labels: torch.Tensor | None,
) -> JoinedInputs:
    """Joins prompts with their recordings for a deep fusion.

    Args:
        model: the composite.
        placeholders: (batch, length) bool, as many True as `audio` has tokens.
        inputs_embeds: (batch, length, text width).
        audio: tokens of the clips of all prompts in order (clips, tokens, audio width), and their mask.
        attention_mask: (batch, length), or None.
        position_ids: (batch, length), or None.
        labels: (batch, length), or None.

    Raises:
        SpatialLLMError: the mask or the positions are of another form, or a prompt holds no text.
    """
    fusion, (batch, length) = model.fusion, placeholders.shape
    valid = _valid(attention_mask, batch, length, placeholders.device)
    heard, inputs_embeds, audio = _place_rows(model.fusion_modules, placeholders, inputs_embeds, audio)
    known = torch.compiler.is_compiling() or placeholders.is_meta
    clips, tokens = audio.last_hidden_state.shape[:2]
    # One clip a prompt is a case of its own, because an export knows the two numbers by symbols, which it does not divide.
    columns = divide(heard, tokens * (1 if clips == batch else clips // batch) if known else None)
    memory = _memory(columns, audio, valid, length)
    if not known and not memory.text_valid.any(-1).all():
        raise SpatialLLMError(f"a prompt holds no text; with fusion {fusion.name} it is text that hears: give a question.")
    text_positions, audio_positions = _positions(fusion, memory, columns, valid, position_ids)
    context = AudioContext(
        fusion=fusion,
        language_model=model.language_model,
        memory=memory,
        text_slots=memory.text_slots,
        text_valid=memory.text_valid,
        rows=columns.text.shape[1],
        audio_positions=audio_positions,
        prefill=True,
    )
    joined = JoinedInputs(
        inputs_embeds=columns.of_text(inputs_embeds),
        # Never None: transformers takes a jump of positions, as where audio was taken out, for the start of another
        # sequence, if there is neither mask nor cache.
        attention_mask=memory.text_valid.to(torch.long),
        position_ids=text_positions,
        labels=None if labels is None else _labels(labels, columns, heard),
        text_columns=columns.text,
        context=context,
    )
    if isinstance(fusion, Delayed) and not model.training and not known and _all_equal(joined, memory):
        context.shared_text = True
        for name in ("inputs_embeds", "attention_mask", "position_ids"):
            setattr(joined, name, getattr(joined, name)[:1])
    return joined


def _place_rows(
    modules: FusionModules | None, placeholders: torch.Tensor, inputs_embeds: torch.Tensor, audio: AudioTokens
) -> tuple[torch.Tensor, torch.Tensor, AudioTokens]:
    """Puts the tokens of a fusion that become rows of the sequence, if it has such, in the place of their placeholders.

    Returns:
        The placeholders of the other tokens (batch, length), the embeddings, and the other tokens.
    """
    if modules is None or modules.row_maker is None:
        return placeholders, inputs_embeds, audio
    tokens, mask, count = audio.last_hidden_state, audio.mask, modules.row_maker.count
    border = count if modules.rows_first else tokens.shape[1] - count
    before, after = slice(border), slice(border, None)
    mine, others = (before, after) if modules.rows_first else (after, before)
    pattern = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    pattern[:, mine] = True
    rows = torch.zeros_like(placeholders).masked_scatter(placeholders, pattern.flatten() if mask is None else pattern[mask])
    own, other = (
        AudioTokens(last_hidden_state=tokens[:, part], mask=None if mask is None else mask[:, part])
        for part in (mine, others)
    )
    embedded = modules.row_maker.rows(_flat(own)).to(inputs_embeds.dtype)
    return placeholders & ~rows, inputs_embeds.masked_scatter(rows.unsqueeze(-1), embedded), other


def _flat(audio: AudioTokens) -> torch.Tensor:
    """Returns the tokens of all clips, one after the other (tokens, width)."""
    return audio.last_hidden_state.flatten(0, 1) if audio.mask is None else audio.last_hidden_state[audio.mask]


def _memory(columns: Columns, audio: AudioTokens, valid: torch.Tensor, length: int) -> AudioMemory:
    flat, there = _flat(audio), columns.audio_there
    return AudioMemory(
        tokens=flat.new_zeros(*columns.audio.shape, flat.shape[-1]).masked_scatter(there.unsqueeze(-1), flat),
        slots=columns.audio,
        valid=columns.of_audio(valid) & there,
        length=length,
        prompt_valid=valid,
        text_slots=columns.text,
        text_valid=columns.of_text(valid) & columns.text_there,
    )


def continue_with(
    model: nn.Module,
    memory: AudioMemory,
    cache: Any,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    labels: torch.Tensor | None,
) -> JoinedInputs:
    """Returns the arguments for text after a prompt whose audio is in `memory`, which came with the cache.

    Args:
        inputs_embeds: the new text (batch, new, text width).
        attention_mask: (batch, length of the prompt + all text since), or None.
        position_ids, labels: (batch, new), or None.

    Raises:
        SpatialLLMError: the mask does not cover the prompt and the text since.
    """
    fusion, (batch, new) = model.fusion, inputs_embeds.shape[:2]
    device = inputs_embeds.device
    since = columns_in(model, memory, cache) + new - memory.length
    if since < 0:
        raise SpatialLLMError(
            f"the cache was cut {new - since} tokens before the end of its prompt, but {new} came: give the rest of the "
            "prompt with them."
        )
    valid = _valid(attention_mask, batch, memory.length + since, device, memory)
    text_valid = torch.cat([memory.text_valid.to(device), valid[:, memory.length :]], dim=1)
    later = torch.arange(memory.length, memory.length + since, device=device).expand(batch, -1)
    if isinstance(fusion, Lal) and fusion.positions == "none":
        position_ids = _counted(text_valid)[:, -new:]
    elif position_ids is None:
        position_ids = _counted(valid)[:, -new:]
    context = AudioContext(
        fusion=fusion,
        language_model=model.language_model,
        memory=memory,
        text_slots=torch.cat([memory.text_slots.to(device), later], dim=1),
        text_valid=text_valid,
        rows=new,
        audio_positions=None,
        prefill=False,
    )
    return JoinedInputs(
        inputs_embeds=inputs_embeds,
        attention_mask=text_valid.to(torch.long),
        position_ids=position_ids,
        labels=labels,
        context=context,
    )


def columns_in(model: nn.Module, memory: AudioMemory, cache: Any) -> int:
    """Returns the columns of prompt and later text that a cache with this memory covers, placeholders included."""
    fusion, used = model.fusion, int(cache.get_seq_length())
    if isinstance(fusion, Delayed) and 0 in fusion.fused_layers(model.config.get_text_config().num_hidden_layers):
        used -= memory.slots.shape[1]  # the first layer keeps the audio too
    return memory.length + used - memory.text_slots.shape[1]


def _valid(
    attention_mask: torch.Tensor | None, batch: int, length: int, device: torch.device, memory: AudioMemory | None = None
) -> torch.Tensor:
    if attention_mask is None:
        # generate leaves out a mask of ones alone, so there is no padding; but other callers may rely on the memory's.
        valid = torch.ones(batch, length, dtype=torch.bool, device=device)
        if memory is not None:
            valid[:, : memory.length] = memory.prompt_valid.to(device)
        return valid
    if not isinstance(attention_mask, torch.Tensor) or attention_mask.shape != (batch, length):
        shape = tuple(getattr(attention_mask, "shape", ()))
        raise SpatialLLMError(
            f"attention_mask is of shape {shape}; expected ({batch}, {length}): one number for each token of the prompt, "
            "placeholders included, and for each token since."
        )
    return attention_mask.bool()


def _positions(
    fusion: Any, memory: AudioMemory, columns: Columns, valid: torch.Tensor, position_ids: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    batch, length = valid.shape
    given = None if position_ids is None or torch.compiler.is_compiling() else tuple(position_ids.shape)
    if given not in (None, (batch, length), (1, length)):
        raise SpatialLLMError(
            f"position_ids are of shape {given}; expected ({batch}, {length}): one position for each "
            "token of the prompt, placeholders included."
        )
    if isinstance(fusion, Lal) and fusion.positions == "none":
        return _counted(memory.text_valid), None
    positions = _counted(valid) if position_ids is None else position_ids.expand(valid.shape[0], -1)
    return columns.of_text(positions), columns.of_audio(positions)


def _counted(valid: torch.Tensor) -> torch.Tensor:
    """Returns positions (batch, length): the number of earlier tokens that are no padding, as `generate` counts them."""
    return (valid.long().cumsum(-1) - 1).clamp(min=0)


def _labels(labels: torch.Tensor, columns: Columns, heard: torch.Tensor) -> torch.Tensor:
    # The token after audio would be predicted by the audio's last row, which is no row of this sequence.
    follows = torch.cat([torch.zeros_like(heard[:, :1]), heard[:, :-1]], dim=1)
    dropped = ~columns.text_there | columns.of_text(follows)
    return columns.of_text(labels).masked_fill(dropped, -100)


def _all_equal(joined: JoinedInputs, memory: AudioMemory) -> bool:
    """Returns whether all prompts of the batch are the same text with recordings in the same places."""
    if len(joined.inputs_embeds) < 2 or joined.labels is not None:
        return False
    compared = (joined.inputs_embeds, joined.position_ids, memory.text_slots, memory.text_valid, memory.slots)
    return all(torch.equal(each[1:], each[:1].expand_as(each[1:])) for each in compared)
