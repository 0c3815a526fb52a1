"""The lesson "answers": projector and LoRA learn to answer questions, by cross-entropy on the tokens of the true answer."""

from typing import Any

from transformers import PreTrainedModel

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.training.engine.batches import grouped_by_length
from spatial_llm.training.engine.launching import print_main, processes
from spatial_llm.training.finetune.lessons.lesson import Lesson, Material


def decoded_sample(collator: SpatialQACollator, sample: dict[str, Any]) -> str:
    """Returns one sample as the model is trained on it: the prompt, and in brackets the tokens that carry loss."""
    batch = collator([sample])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    decode, supervised = collator.processor.decode, labels != -100
    slots = int((ids == collator.processor.audio_token_id).sum())
    return f"[{slots} audio tokens]{decode(ids[~supervised][slots:])}[[{decode(labels[supervised])}]]"


def _prepare(arguments: Any, model: PreTrainedModel, processor: SpatialLLMProcessor, dataset: SpatialQADataset) -> Material:
    collator = SpatialQACollator(processor, arguments.time_weight)
    print_main(f"one sample, with its supervised tokens in brackets:\n{decoded_sample(collator, dataset[0])}\n")
    size = arguments.schedule.effective_batch(processes())
    order = grouped_by_length(dataset.lengths, size, arguments.seed) if arguments.group_by_length else None
    # With its output in the cache the encoder does not run again, and its memory on the GPU is free for the rest.
    return Material(model, dataset, collator, order=order, offload=["encoder"] if arguments.encoder_cache else [])


LESSON = Lesson(_prepare)
