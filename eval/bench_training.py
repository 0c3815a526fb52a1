"""Measures speed and memory of training and answering, both sides of each pair alternately in one run on this machine.

    make bench        or        python eval/bench_training.py [--repeats 5] [--out bench_training.json]

A small BAT (SpatialAST of 1.5 M parameters on clips of 2 s, Q-Former of 8 queries, Llama of 2.8 M) on random weights and
noise, one thread:
1. training steps per second, encoder output from the cache on disk against cues computed and encoder run in each step;
2. bytes that a step keeps and makes at its peak, with activation checkpointing against without (counted, exact);
3. ten questions about one clip: encoded once against encoded for each question;
4. the gradient of an encoder like the shipped one in bf16, on a CPU: attention written out against torch's choice.
About a minute on 2 cores.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, PreTrainedModel

from spatial_llm import SpatialASTConfig, SpatialFeatureExtractor, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.data.encoder_cache import EncoderCache
from spatial_llm.door import door
from spatial_llm.files import write_json
from spatial_llm.model import SpatialLLMConfig
from spatial_llm.profiling.cpu import compare, encoder_gradients
from spatial_llm.profiling.memory import step_bytes
from spatial_llm.projectors import QFormerProjectorConfig
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.testing import tiny_processor

BATCH, QUESTIONS, NEW_TOKENS = 8, 10, 8
QUESTION, ANSWER = "Where is the sound of the bell coming from?", "left; front; above; 2.5m"


@dataclass
class BenchTrainingArguments:
    """Sets how often to measure, and where to write."""

    repeats: Count = 5
    out: str = "bench_training.json"
    seed: Seed = 0


def small_bat() -> tuple[PreTrainedModel, SpatialLLMProcessor]:
    """Returns the model with fresh weights and LoRA, and its processor."""
    tokenizer = tiny_processor().tokenizer
    encoder = SpatialASTConfig(hidden_size=144, num_hidden_layers=6, num_attention_heads=6, intermediate_size=576,
                               duration_s=2.0, num_frames=208)  # fmt: skip
    projector = QFormerProjectorConfig(
        num_query_tokens=8, num_hidden_layers=2, hidden_size=144, num_attention_heads=6, intermediate_size=576,
        encoder_hidden_size=144, text_hidden_size=192,
    )  # fmt: skip
    text = LlamaConfig(hidden_size=192, intermediate_size=512, num_hidden_layers=6, num_attention_heads=6,
                       vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, pad_token_id=0)  # fmt: skip
    token = tokenizer.convert_tokens_to_ids("<|audio|>")
    parts = {"encoder_config": encoder, "projector_config": projector, "text_config": text}
    model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(**parts, audio_token_id=token, lora={}))
    extractor = SpatialFeatureExtractor.for_encoder(encoder)
    return model, SpatialLLMProcessor(extractor, tokenizer, num_audio_tokens=8, audio_token_id=token)


def main(arguments: BenchTrainingArguments) -> None:
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    model, processor = small_bat()
    config = model.config.encoder_config
    rng = np.random.default_rng(arguments.seed)
    clips = [0.1 * rng.standard_normal((2, config.window_samples), dtype=np.float32) for _ in range(BATCH)]
    rate, extract = config.sampling_rate, processor.feature_extractor
    texts = processor(text=[QUESTION] * BATCH, answers=[ANSWER] * BATCH, return_tensors="pt")
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-4)

    def step(**audio: torch.Tensor) -> None:
        model(**texts, **audio).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def cues(some: list[np.ndarray]) -> torch.Tensor:
        return extract(some, sampling_rate=rate, return_tensors="pt")["input_features"]

    with tempfile.TemporaryDirectory() as folder:
        rows = model.get_audio_features(input_features=cues(clips)).last_hidden_state
        names = [f"clip {index}" for index in range(BATCH)]
        cache = EncoderCache(Path(folder), {}, *rows.shape[1:])
        cache.add(names, rows)
        model.train()
        cached, uncached = (
            lambda: step(audio_hidden_states=torch.stack([cache[name] for name in names])),
            lambda: step(input_features=cues(clips)),
        )
        steps = compare("training steps", cached, uncached, arguments.repeats)
    plain = step_bytes(model, BATCH, text_tokens=128, encode=False)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    checkpointed = step_bytes(model, BATCH, text_tokens=128, encode=False)
    model.eval().gradient_checkpointing_disable()
    one = processor(text=QUESTION, return_tensors="pt")
    greedy = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}

    @torch.inference_mode()
    def ask(encode_once: bool) -> None:
        hidden = model.encoder(input_features=cues(clips[:1])).last_hidden_state if encode_once else None
        for _ in range(QUESTIONS):
            audio = {"audio_hidden_states": hidden} if encode_once else {"input_features": cues(clips[:1])}
            model.generate(**one, **audio, **greedy)

    asked = compare("ten questions", lambda: ask(True), lambda: ask(False), arguments.repeats)
    gradient = compare("gradient of an encoder", *encoder_gradients(BATCH), arguments.repeats)
    results = {
        "training step, cached against uncached encoder": steps
        | {"cached_steps_per_s": 1 / steps["ours_s"], "uncached_steps_per_s": 1 / steps["other_s"]},
        "peak bytes of a step, activation checkpointing against none":
        {"checkpointed_bytes": checkpointed, "plain_bytes": plain, "ratio_median": round(plain / checkpointed, 2)},
        "ten questions on one clip, one encoding against ten": asked,
        "gradient of an encoder in bf16, attention written out against flash": gradient,
    }  # fmt: skip
    write_json(arguments.out, {"results": results, **provenance(arguments.seed)})
    for name, result in results.items():
        print(f"{name}: {result['ratio_median']} x ({result})")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchTrainingArguments, description=__doc__))
