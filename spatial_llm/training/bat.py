"""BAT: a frozen encoder, a frozen language model, and what connects them: projector and LoRA (specs a.4)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset, distinct_recordings
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration, SpatialLLMProcessor, add_lora
from spatial_llm.projectors import QFormerProjector, QFormerProjectorConfig
from spatial_llm.training.arguments import BatArguments, ProjectorArguments
from spatial_llm.training.base_models import load_base
from spatial_llm.training.cue_file import CueDataset, precompute_cues
from spatial_llm.training.run_folder import RunFolder
from spatial_llm.training.trainable import format_what_trains, freeze, state_hash, what_trains
from spatial_llm.training.trainer import prepare, train

CALIBRATION_CLIPS = 256


def build_bat(arguments: BatArguments) -> tuple[PreTrainedModel, SpatialLLMProcessor]:
    """The composite of a trained encoder, a language model and a fresh projector (and LoRA), and its processor.

    Only projector and LoRA require gradients.
    """
    encoder = load_base(AutoModel, arguments.encoder, "encoder")
    language_model = freeze(load_base(AutoModelForCausalLM, arguments.language_model, "language_model"))
    tokenizer = load_base(AutoTokenizer, arguments.language_model, "tokenizer of the language_model")
    text_size = language_model.get_input_embeddings().embedding_dim
    projector = build_projector(arguments.projector, encoder.config.hidden_size, text_size)
    model = SpatialLLMForConditionalGeneration.from_parts(
        encoder=encoder, language_model=language_model, projector=projector
    )
    if arguments.lora is not None:
        add_lora(model, **vars(arguments.lora))
    return model, SpatialLLMProcessor.for_model(model, tokenizer)


def build_projector(arguments: ProjectorArguments, encoder_size: int, text_size: int) -> QFormerProjector:
    """A fresh Q-Former between an encoder and a language model of these widths."""
    width = arguments.hidden_size or encoder_size
    return QFormerProjector(
        QFormerProjectorConfig(
            num_query_tokens=arguments.queries,
            num_hidden_layers=arguments.layers,
            cross_attention_frequency=arguments.cross_attention_every,
            hidden_size=width,
            num_attention_heads=arguments.attention_heads,
            intermediate_size=arguments.intermediate_size or 4 * width,
            hidden_dropout_prob=arguments.dropout,
            attention_probs_dropout_prob=arguments.dropout,
            encoder_hidden_size=encoder_size,
            text_hidden_size=text_size,
            standardize_inputs=arguments.calibrate,
        )
    )


@torch.no_grad()
def encode(encoder: nn.Module, cues: Any, batch_size: int = 64) -> torch.Tensor:
    """Encoder output (recordings, tokens, width), float32 on the CPU, of cues (recordings, cues, frames, mel bins)."""
    encoder.eval()
    outputs = []
    for start in tqdm(range(0, len(cues), batch_size), desc="encoder", unit="batch"):
        batch = [np.asarray(cues[i]) for i in range(start, min(start + batch_size, len(cues)))]
        features = torch.from_numpy(np.stack(batch)).float().to(encoder.device)
        outputs.append(encoder(input_features=features).last_hidden_state.float().cpu())
    return torch.cat(outputs)


def calibrate(model: PreTrainedModel, audio_hidden_states: torch.Tensor) -> None:
    """Brings a fresh projector to scale: inputs standardised, outputs as large as the language model's embeddings."""
    model.projector.calibrate(audio_hidden_states)
    model.projector.scale_output_to(model.get_input_embeddings().weight.float().std().item())


def decoded_sample(collator: SpatialQACollator, sample: dict[str, Any]) -> str:
    """One sample as the model is trained on it: its prompt, and in brackets the tokens that carry loss."""
    batch = collator([sample])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    tokenizer, supervised = collator.processor.tokenizer, labels != -100
    slots = int((ids == collator.processor.audio_token_id).sum())
    return f"[{slots} audio tokens]{tokenizer.decode(ids[~supervised][slots:])}[[{tokenizer.decode(labels[supervised])}]]"


def finetune_bat(arguments: BatArguments) -> Path:
    """Trains projector and LoRA, saves model and processor in one folder, and returns it.

    Raises:
        SpatialLLMError: frozen weights moved, which would be a bug; nothing is saved then.
    """
    prepare(arguments.seed, arguments.cpu_threads)
    manifest = arguments.train_manifest
    recordings = distinct_recordings(read_manifest(manifest))
    model, processor = build_bat(arguments)
    run = RunFolder(arguments, manifest)
    config = model.config.encoder_config
    cues: Any = CueDataset(recordings, Path(manifest).parent, processor.feature_extractor, config.window_samples)
    encoded = None
    if arguments.precompute_audio:
        hidden = encode(model.encoder, precompute_cues(manifest, cues, arguments.cues_folder or run.path))
        encoded = {record.recording_id: row for record, row in zip(recordings, hidden, strict=True)}
    elif arguments.projector.calibrate:
        some = range(0, len(cues), max(1, len(cues) // CALIBRATION_CLIPS))
        hidden = encode(model.encoder, [cues[i] for i in some])
    if arguments.projector.calibrate:
        calibrate(model, hidden[:: max(1, len(hidden) // CALIBRATION_CLIPS)])

    dataset = SpatialQADataset(manifest, config.sampling_rate, config.window_samples, encoded)
    collator = SpatialQACollator(processor)
    print(f"{len(dataset)} questions about {len(recordings)} recordings from {manifest}")
    print(format_what_trains(what_trains(model)))
    print(f"one sample, with its supervised tokens in brackets:\n{decoded_sample(collator, dataset[0])}\n")
    frozen = state_hash(model.encoder)
    train(model, dataset, collator, arguments.schedule, run, arguments.seed)
    if state_hash(model.encoder) != frozen:
        raise SpatialLLMError("the frozen encoder changed during training; nothing was saved.")
    return run.save(model.save_pretrained, processor.save_pretrained)
