"""The objectives of preference training: what `objective` names. A new one is its loss and an entry of `OBJECTIVES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from spatial_llm.data.preference.dataset import PairCollator, PairDataset
from spatial_llm.data.preference.pair import PairFile
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.training.engine.batches import shuffled
from spatial_llm.training.engine.launching import processes
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import state_hash
from spatial_llm.training.finetune.lessons.lesson import Material
from spatial_llm.training.preference.arguments import PreferenceArguments
from spatial_llm.training.preference.dpo import DpoLoss
from spatial_llm.training.preference.grpo import GrpoLoss
from spatial_llm.training.preference.questions import QuestionCollator, QuestionDataset
from spatial_llm.training.preference.reference import reference_log_probs


@dataclass(frozen=True)
class Objective:
    """One value of `objective`.

    Attributes:
        dataset: maps (arguments, processor, config of the encoder) to the data set.
        prepare: maps (arguments, model, processor, data set, run) to the material of `train`, whose loss is a
            `WatchedLoss`. The model is as the run starts from it.
    """

    dataset: Callable[..., Any]
    prepare: Callable[..., Material]


def _pairs(arguments: PreferenceArguments, processor: SpatialLLMProcessor, config: Any) -> PairDataset:
    format = processor.feature_extractor.format
    return PairDataset(PairFile(arguments.pairs), config.sampling_rate, config.window_samples, format)


def _dpo(
    arguments: PreferenceArguments,
    model: PreTrainedModel,
    processor: SpatialLLMProcessor,
    dataset: PairDataset,
    run: RunFolder,
) -> Material:
    schedule, collate = arguments.schedule, PairCollator(processor)
    reference = reference_log_probs(
        model, state_hash(model), dataset, collate, run.path / "reference", schedule.batch_size, arguments.seed,
        schedule.precision,
    )  # fmt: skip
    return Material(model, dataset, collate, loss=DpoLoss(arguments.dpo, reference, schedule.precision))


def _questions(arguments: PreferenceArguments, processor: SpatialLLMProcessor, config: Any) -> QuestionDataset:
    return QuestionDataset(
        arguments.questions, config.sampling_rate, config.window_samples, types=arguments.types,
        format=processor.feature_extractor.format,
    )  # fmt: skip


def _grpo(
    arguments: PreferenceArguments,
    model: PreTrainedModel,
    processor: SpatialLLMProcessor,
    dataset: QuestionDataset,
    run: RunFolder,
) -> Material:
    schedule, settings = arguments.schedule, arguments.grpo
    loss = GrpoLoss(settings, model, processor, dataset, run, arguments.seed, schedule.precision)
    order = None
    if settings.inner_epochs > 1:
        order = repeated_steps(len(dataset), schedule.effective_batch(processes()), settings.inner_epochs, arguments.seed)
    return Material(model, dataset, QuestionCollator(processor), loss=loss, order=order)


def repeated_steps(size: int, step: int, times: int, seed: int) -> Callable[[int], list[int]]:
    """Returns an order in which the samples of each step come several times in a row; those of a last step that would be
    smaller are left out of the epoch.

    Args:
        size: number of samples.
        step: samples of one step.
        times: steps on the same samples.
        seed: of the run.

    Raises:
        SpatialLLMError: there are fewer samples than one step takes.
    """
    if size < step:
        raise SpatialLLMError(
            f"{size} questions, and a step with grpo.inner_epochs takes {step}: give a smaller schedule.batch_size or more "
            "questions."
        )

    def order(epoch: int) -> list[int]:
        drawn = shuffled(size, seed + epoch)
        starts = range(0, size - step + 1, step)
        return [index for start in starts for _ in range(times) for index in drawn[start : start + step]]

    return order


OBJECTIVES: dict[str, Objective] = {
    "dpo": Objective(_pairs, _dpo),
    "grpo": Objective(_questions, _grpo),
}
