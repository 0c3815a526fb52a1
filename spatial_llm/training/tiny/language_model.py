"""The tiny language model of demonstration and smoke runs: a Llama, and a byte-level BPE that is trained on our text."""

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from spatial_llm.training.tiny.arguments import TextArguments

BOS, EOS, PAD = "<s>", "</s>", "<pad>"


def build_tokenizer(texts: Iterable[str], vocab_size: int, phrases: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE on `texts`. It encodes any text and decodes it exactly; each digit is a token.

    BOS is put before every encoded text, and a space before its first word, as in Llama's tokenizer. A class then has the
    same tokens in a scene, in a question and in an answer; otherwise the model could not look it up by its name.

    Args:
        texts: the training texts.
        vocab_size: number of tokens without the phrases, at least 259 (256 bytes, BOS, EOS, padding).
        phrases: constant texts, such as the frame of a prompt, that become one token each, so that they take one position.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    )


def build_language_model(arguments: TextArguments, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Initialises a Llama of the size in `arguments`, with tied embeddings."""
    width = arguments.hidden_size
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=round(width * 8 / 3),
            num_hidden_layers=arguments.num_hidden_layers,
            num_attention_heads=arguments.num_attention_heads,
            num_key_value_heads=arguments.num_attention_heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            initializer_range=arguments.initializer_range,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
