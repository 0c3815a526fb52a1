"""A run of preference training: a trained model goes on, by pairs of answers or by rewards, on our own `train`."""

from pathlib import Path

from transformers import PreTrainedModel

from spatial_llm.data.preference.dataset import PairCollator, PairDataset
from spatial_llm.data.preference.pair import PairFile
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.training.engine.curves import plot_losses
from spatial_llm.training.engine.launching import (
    check_launch,
    is_main,
    is_sharded,
    prepare,
    print_main,
    processes,
    wait_for_all,
    whole_weights,
)
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import format_what_trains, what_trains
from spatial_llm.training.engine.trainer import train
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import cached, format_schedule, save_model
from spatial_llm.training.preference.arguments import PreferenceArguments
from spatial_llm.training.preference.held_out import compared, held_out_log_probs, write_held_out
from spatial_llm.training.preference.objectives import OBJECTIVES
from spatial_llm.training.preference.reference import PairLogProbs


def train_preference(arguments: PreferenceArguments) -> Path:
    """Trains by preference, and returns the folder of the model.

    Raises:
        ManifestError: a file of pairs or questions is not one; the record is named.
        CacheError: the encoder's output does not fit, or the stored reference belongs to something else.
        SpatialLLMError: the model hears one channel by itself, or the launcher spreads its weights over processes.
    """
    check_launch()
    if is_sharded():
        raise SpatialLLMError(
            "preference training hears a recording once for several answers, outside of the forward pass for which "
            "DeepSpeed and FSDP gather weights: launch with recipes/launch/ddp.yaml."
        )
    if not Path(arguments.source).is_file():
        raise ManifestError(
            f"{arguments.source}: no such file; spatial-llm pairs writes pairs, spatial-llm questions manifests."
        )
    prepare(arguments.seed, arguments.cpu_threads)
    finetuning, objective = arguments.finetuning, OBJECTIVES[arguments.objective]
    model, processor = build_bat(finetuning)
    _refuse_mono(model)
    config = model.config.encoder_config
    dataset = objective.dataset(arguments, processor, config)
    if arguments.encoder_cache:
        dataset.use_encoder_cache(cached(finetuning, model.encoder, processor, dataset))
    run = RunFolder(arguments, arguments.source)  # after what may refuse: then nothing is written
    print_main(f"{len(dataset)} samples about {len(dataset.places)} recordings from {arguments.source}")
    held_out = _held_out(arguments, model, processor)
    before = _measured(arguments, model, processor, held_out)
    material = objective.prepare(arguments, model, processor, dataset, run)
    print_main(format_schedule(arguments.schedule, len(dataset), processes()))
    print_main(format_what_trains(what_trains(model)))
    train(
        model, material.samples, material.collate, arguments.schedule, run, arguments.seed, loss=material.loss,
        order=material.order, offload=["encoder"] if arguments.encoder_cache else [], callbacks=[material.loss],
    )  # fmt: skip
    with whole_weights(model):
        if is_main():
            save_model(finetuning, run, model, processor)
    if is_main():
        if held_out is not None:
            after = _measured(arguments, model, processor, held_out)
            found = compared(held_out, before, after, arguments.dpo.length_normalised, arguments.seed)
            print_main(write_held_out(run.path, found))
        plot_losses({arguments.objective: run.path / "metrics.jsonl"}, run.path / "losses.png")
    wait_for_all()
    return run.model


def _refuse_mono(model: PreTrainedModel) -> None:
    if model.mono_base is not None:
        raise SpatialLLMError(
            f"the language model ({model.config.text_config.model_type}) hears the recordings by itself, and would hear "
            "each of them anew for every answer: preference training takes models that hear with the encoder alone."
        )


def _held_out(arguments: PreferenceArguments, model: PreTrainedModel, processor: SpatialLLMProcessor) -> PairDataset | None:
    if arguments.eval_pairs is None:
        return None
    config = model.config.encoder_config
    dataset = PairDataset(
        PairFile(arguments.eval_pairs), config.sampling_rate, config.window_samples, processor.feature_extractor.format
    )
    if arguments.encoder_cache:
        dataset.use_encoder_cache(cached(arguments.finetuning, model.encoder, processor, dataset))
    return dataset


def _measured(
    arguments: PreferenceArguments, model: PreTrainedModel, processor: SpatialLLMProcessor, held_out: PairDataset | None
) -> PairLogProbs | None:
    if held_out is None or not is_main():
        return None
    schedule = arguments.schedule
    return held_out_log_probs(model, held_out, PairCollator(processor), schedule.batch_size, schedule.precision)
