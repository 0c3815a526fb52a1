"""Handles audio placeholders in prompts: finds them, checks their number, and keeps the clips of a prompt together."""

import warnings

import torch
from torch import nn
from transformers.utils import torch_compilable_check

from spatial_llm.errors import SpatialLLMError


def embed_text(embeddings: nn.Embedding, input_ids: torch.Tensor, audio_token_id: int) -> torch.Tensor:
    """Embeds ids (batch, length) -> (batch, length, width). A placeholder outside the vocabulary is embedded as id 0; the
    audio embedding overwrites it."""
    if audio_token_id >= embeddings.num_embeddings:
        input_ids = input_ids.masked_fill(input_ids == audio_token_id, 0)
    return embeddings(input_ids)


def placeholder_mask(
    input_ids: torch.Tensor | None,
    inputs_embeds: torch.Tensor,
    audio_embeds: torch.Tensor,
    clips: int,
    embeddings: nn.Embedding,
    audio_token_id: int,
) -> torch.Tensor:
    """Returns (batch, length, 1), True at the place of an audio embedding; found by id, or else by the placeholder's own
    embedding.

    Args:
        input_ids: (batch, length), or None.
        inputs_embeds: (batch, length, text width).
        audio_embeds: audio embeddings of all clips, one after the other (audio tokens, text width).
        clips: number of clips, for the error.
        embeddings: embedding layer of the language model.
        audio_token_id: the placeholder's id.

    Raises:
        SpatialLLMError: the numbers of placeholders and audio embeddings differ; or only `inputs_embeds` is given, and the
            placeholder lies outside the vocabulary, so that it has no embedding.
    """
    if input_ids is not None:
        mask = input_ids == audio_token_id
    elif audio_token_id < embeddings.num_embeddings:
        mask = (inputs_embeds == embeddings(torch.tensor(audio_token_id, device=inputs_embeds.device))).all(-1)
    else:
        raise SpatialLLMError(
            f"audio came with inputs_embeds, but the placeholder {audio_token_id} lies outside the vocabulary and has no "
            "embedding to be found by: give input_ids, or put the audio embeddings in place yourself."
        )
    if mask.is_meta:
        return mask.unsqueeze(-1)
    if torch.compiler.is_compiling():
        # Reading a number from the data would stop the trace; the same check goes into the graph, with a shorter message.
        torch_compilable_check(
            mask.sum() == audio_embeds.shape[0], "another number of placeholders than of audio embeddings"
        )
        return mask.unsqueeze(-1)
    wanted, given = int(mask.sum()), len(audio_embeds)
    if wanted != given:
        raise SpatialLLMError(
            f"the prompts hold {wanted} audio placeholders, but {clips} clips make {given} audio embeddings: each embedding "
            f"needs a placeholder (id {audio_token_id}); is the processor's num_audio_tokens that of this model?"
        )
    return mask.unsqueeze(-1)


def check_apart(audio_token_id: int, size: int, wanted: int) -> None:
    """Raises SpatialLLMError if a placeholder outside a vocabulary of `size` would be a token of one of `wanted`."""
    if size <= audio_token_id < wanted:
        raise SpatialLLMError(
            f"the audio placeholder {audio_token_id} lies outside the vocabulary of {size} and would become one of its "
            f"{wanted} tokens: give resize_token_embeddings(..., audio_token_id={wanted}) to move it, or "
            f"audio_token_id={audio_token_id} if that token is the placeholder's own, and make the processor anew "
            "(SpatialLLMProcessor.for_model)."
        )


def warn_without_audio(input_ids: torch.Tensor, audio_token_id: int) -> None:
    """Warns if prompts contain placeholders and no audio is given.

    It is not an error, because transformers' own test suites run the prompts of audio models without their audio.
    """
    if not torch.compiler.is_compiling() and (input_ids == audio_token_id).any():
        warnings.warn(
            "the prompts hold audio placeholders, but neither input_features nor audio_hidden_states was given: the model "
            "hears nothing, and its answer is a guess.",
            stacklevel=7,
        )


def repeat_clips(
    clips: torch.Tensor, input_ids: torch.Tensor | None, times: int, audio_token_id: int, counts: list[int]
) -> torch.Tensor:
    """Repeats the clips (clips of all prompts in order, ...) for prompts that are each repeated `times` (beams, samples).

    A prompt's clips are repeated together: prompts p, q with clips (p1 p2 | q1), twice -> p1 p2 p1 p2 q1 q1. Without
    `input_ids` each prompt is taken to have one clip.

    Args:
        clips: (clips, ...).
        input_ids: (batch, length), or None.
        times: copies of each prompt.
        audio_token_id: the placeholder's id.
        counts: audio tokens of each clip.

    Raises:
        SpatialLLMError: the placeholders of the prompts do not match the clips.
    """
    owners = [1] * len(clips)
    if input_ids is not None and input_ids.shape[1] > 0:
        placeholders = (input_ids == audio_token_id).sum(-1).tolist()
        owners, left = [], list(counts)
        for wanted in placeholders:
            own = 0
            while wanted > 0 and left:
                wanted, own = wanted - left.pop(0), own + 1
            owners.append(own if wanted == 0 else len(clips) + 1)
    if sum(owners) != len(clips):
        raise SpatialLLMError(
            f"{len(clips)} clips of {sorted(set(counts))} audio tokens, but the prompts hold {placeholders} placeholders; "
            "expected in each prompt those of its clips."
        )
    return torch.cat([own for group in clips.split(owners) for own in [group] * times])
