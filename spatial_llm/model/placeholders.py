"""Audio placeholders in prompts: finding them, checking their number, and keeping the clips of a prompt together."""

import warnings

import torch
from torch import nn
from transformers.utils import torch_compilable_check

from spatial_llm.errors import SpatialLLMError


def embed_text(embeddings: nn.Embedding, input_ids: torch.Tensor, audio_token_id: int) -> torch.Tensor:
    """(batch, length) ids -> (batch, length, width). A placeholder outside the vocabulary is embedded as id 0; what was
    heard overwrites it."""
    if audio_token_id >= embeddings.num_embeddings:
        input_ids = input_ids.masked_fill(input_ids == audio_token_id, 0)
    return embeddings(input_ids)


def placeholder_mask(
    input_ids: torch.Tensor | None,
    inputs_embeds: torch.Tensor,
    audio_embeds: torch.Tensor,
    embeddings: nn.Embedding,
    audio_token_id: int,
) -> torch.Tensor:
    """(batch, length, 1), True where an audio embedding goes; found by id, or else by the placeholder's own embedding.

    Raises:
        SpatialLLMError: another number of placeholders than of audio embeddings; or only `inputs_embeds` came, and the
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
    clips, tokens = audio_embeds.shape[:2]
    if torch.compiler.is_compiling():
        # A number out of the data would stop the trace; the same check goes into the graph, with a shorter message.
        torch_compilable_check(mask.sum() == clips * tokens, "another number of placeholders than of audio embeddings")
        return mask.unsqueeze(-1)
    wanted, given = int(mask.sum()), clips * tokens
    if wanted != given:
        raise SpatialLLMError(
            f"the prompts hold {wanted} audio placeholders, but {clips} clips of {tokens} tokens make {given} audio "
            f"embeddings: each clip needs {tokens} placeholders (id {audio_token_id}); is the processor's num_audio_tokens "
            "that of this model?"
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
    """Warns when prompts hold placeholders and no audio came with them.

    Not an error, because transformers' own suites run the prompts of audio models without their audio.
    """
    if not torch.compiler.is_compiling() and (input_ids == audio_token_id).any():
        warnings.warn(
            "the prompts hold audio placeholders, but neither input_features nor audio_hidden_states was given: the model "
            "hears nothing, and its answer is a guess.",
            stacklevel=7,
        )


def repeat_clips(
    clips: torch.Tensor, input_ids: torch.Tensor | None, times: int, audio_token_id: int, num_audio_tokens: int
) -> torch.Tensor:
    """Repeats the clips (clips of all prompts in order, ...) for prompts that are each repeated `times` (beams, samples).

    A prompt's clips are repeated together: prompts p, q with clips (p1 p2 | q1), twice -> p1 p2 p1 p2 q1 q1. Without
    `input_ids` each prompt is taken to have one clip.
    """
    counts = [1] * clips.shape[0]
    if input_ids is not None and input_ids.shape[1] > 0:
        counts = ((input_ids == audio_token_id).sum(-1) // num_audio_tokens).tolist()
    if sum(counts) != clips.shape[0]:
        raise SpatialLLMError(
            f"{clips.shape[0]} clips, but the prompts hold placeholders for {sum(counts)} (of {num_audio_tokens} tokens "
            "each); expected one clip for every run of placeholders."
        )
    return torch.cat([own for group in clips.split(counts) for own in [group] * times])
