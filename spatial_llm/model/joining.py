"""Checks that a processor feeds a model what it was trained on: cues, placeholders and tokens.

Cues in another order, another transform, another model's tokenizer: each gives tensors of the right shape and meaningless
answers.
"""

from typing import Any

from transformers import PreTrainedConfig

from spatial_llm.encoders.configuration_base import FRONT_END
from spatial_llm.errors import CheckpointError
from spatial_llm.prompts import AUDIO_TOKEN


def check_joined(config: PreTrainedConfig, processor: Any, what: str, generation_config: Any = None) -> None:
    """Compares the processor with the config of the model.

    Args:
        config: a `SpatialLLMConfig`.
        processor: a `SpatialLLMProcessor`.
        what: the folder or class that joins them, for the error.
        generation_config: the model's generation config, if it has one; it may end answers at other tokens than the config.

    Raises:
        CheckpointError: a setting differs, or the tokenizer is not the language model's; both values are given.
    """
    for given, wanted in getattr(config.encoder_config, "front_end", FRONT_END).items():
        # An encoder from elsewhere may have another front end, without these fields.
        if hasattr(config.encoder_config, wanted):
            _compare(
                f"feature_extractor.{given}",
                getattr(processor.feature_extractor, given, None),
                f"encoder_config.{wanted}",
                getattr(config.encoder_config, wanted),
                what,
            )
    _compare("num_audio_tokens", processor.num_audio_tokens, "number of audio tokens a clip", config.num_audio_tokens, what)
    if processor.window_samples is not None:  # unknown to processors of earlier versions
        wanted = getattr(config.encoder_config, "window_samples", processor.window_samples)
        _compare("window_samples", processor.window_samples, "encoder_config.window_samples", wanted, what)
    _compare("mono", (processor.mono or {}).get("way"), "mono", config.mono, what)
    tokens = [None if one.times is None else one.times.settings for one in (processor, config)]
    _compare("time_tokens", tokens[0], "time_tokens", tokens[1], what)
    _compare("audio_token_id", processor.audio_token_id, "audio_token_id", config.audio_token_id, what)
    _check_tokenizer(config, processor.tokenizer, what, generation_config)


def _compare(given_name: str, given: Any, wanted_name: str, wanted: Any, what: str) -> None:
    given, wanted = (list(value) if isinstance(value, tuple) else value for value in (given, wanted))
    if given != wanted:
        raise CheckpointError(
            f"{what}: the processor's {given_name} is {given}, but the model's {wanted_name} is {wanted}: they are of two "
            "models; give the processor that was saved with this model."
        )


def _check_tokenizer(config: PreTrainedConfig, tokenizer: Any, what: str, generation_config: Any) -> None:
    slot, rows = config.audio_token_id, config.get_text_config().vocab_size
    tokens, added = tokenizer.get_vocab(), tokenizer.added_tokens_decoder
    used = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    # Some tokenizers have special tokens for which their model has no row; they occur in no text.
    spare = {number for number, token in added.items() if token.special and number not in used} | {slot}
    beyond = [token for token, number in tokens.items() if number >= rows and number not in spare]
    if beyond or not tokens:
        raise CheckpointError(
            f"{what}: the tokenizer has {len(tokens):,} tokens, of which {len(beyond):,} (such as {beyond[:1]}) lie beyond "
            f"the {rows:,} rows of the language model: it is another model's; give the one saved with this model."
        )
    token = next((token for token, number in tokens.items() if number == slot), None)
    if token is not None and token != AUDIO_TOKEN and not (slot in added and added[slot].special):
        raise CheckpointError(
            f"{what}: audio_token_id {slot} is the token {token!r} of the tokenizer, so text could hold it; expected "
            f"{AUDIO_TOKEN}, another special token, or an id outside the vocabulary."
        )
    if slot in used:
        raise CheckpointError(
            f"{what}: audio_token_id {slot} is {token!r}, which the tokenizer uses itself; give another id."
        )
    ends = _ids(config.get_text_config()) | _ids(generation_config)
    if (strange := [end for end in ends if end >= rows]) or (ends and tokenizer.eos_token_id not in {*ends, None}):
        raise CheckpointError(
            f"{what}: the model ends answers at token {sorted(ends)}, the tokenizer at {tokenizer.eos_token_id} "
            f"({tokenizer.eos_token!r}), of {rows:,} tokens{'' if not strange else ', so answers never end'}: they are of "
            "two models; give the tokenizer that was saved with this model."
        )


def _ids(settings: Any) -> set[int]:
    found = getattr(settings, "eos_token_id", None)
    return set() if found is None else set(found) if isinstance(found, list | tuple) else {found}
