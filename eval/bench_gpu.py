"""Measures tokens a second and peak memory of BAT's training step on a GPU, with random weights: nothing is downloaded.

    python eval/bench_gpu.py                                        # Llama-2-7B, full-size DSpAST; needs a data-centre GPU
    python eval/bench_gpu.py --config recipes/configs/language_models/llama3_2_1b.yaml --text_tokens '[128, 512]'
    python eval/bench_gpu.py --device cpu --size tiny --steps 2     # only tries the command out: its numbers mean nothing

Measured are bf16 with LoRA and, where bitsandbytes is installed (`pip install 'spatial-llm[4bit]'`), QLoRA in 4 bits; each
with the encoder's output from the cache and with the encoder running; each for every length of text. What `spatial-llm plan`
estimates for the same step stands beside the measured peak. The table is printed, all numbers go to --out with date, card
and versions. Not run on a GPU yet; a few minutes are expected.
"""

import datetime
import itertools
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from spatial_llm import DSpASTConfig, SpatialASTConfig
from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import write_json
from spatial_llm.model import SpatialLLMConfig
from spatial_llm.profiling.gpu import Case, bitsandbytes_version, measure
from spatial_llm.profiling.memory import language_model_config
from spatial_llm.projectors.settings import projector_config
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.testing import tiny_config
from spatial_llm.training.finetune.arguments import LoraArguments

ENCODERS = {"dspast": DSpASTConfig, "spatial_ast": SpatialASTConfig}


@dataclass
class BenchGpuArguments:
    """Sets what to measure.

    Attributes:
        language_model: hub name or folder of which only the config is read; --config with a file of
            recipes/configs/language_models sets it with its LoRA.
        lora, projector: as in recipes/finetune_bat.py.
        encoder: model type of the encoder, at full size.
        size: "tiny" replaces all models by models of a few thousand parameters.
        device: "cpu" takes the tiny size only.
        quantization: quantisation of the language model; 4bit is skipped with a message if bitsandbytes is missing.
        encoder_cache: with stored encoder output (true), with the encoder running (false).
        activation_checkpointing, precision: as in the recipe's schedule.
        batch_size: rows in a step.
        text_tokens: lengths of prompt and answer, beside the audio tokens.
        steps: measured steps, after two of warm-up; the result is the median.
        out: JSON file to write.
        seed: seed of weights and rows.
    """

    language_model: str = "meta-llama/Llama-2-7b-hf"
    lora: LoraArguments = field(default_factory=LoraArguments)
    projector: dict[str, Any] = field(default_factory=dict)
    encoder: Literal["dspast", "spatial_ast"] = "dspast"
    size: Literal["full", "tiny"] = "full"
    device: Literal["cuda", "cpu"] = "cuda"
    quantization: list[Literal["none", "4bit"]] = field(default_factory=lambda: ["none", "4bit"])
    encoder_cache: list[bool] = field(default_factory=lambda: [True, False])
    activation_checkpointing: bool = False
    precision: Literal["fp32", "bf16"] = "bf16"
    batch_size: Count = 8
    text_tokens: list[Count] = field(default_factory=lambda: [128])
    steps: Count = 10
    out: str = "bench_gpu.json"
    seed: Seed = 0


def model_config(arguments: BenchGpuArguments) -> SpatialLLMConfig:
    """Returns the config of the composite to be measured."""
    if arguments.size == "tiny":
        config = tiny_config("SpatialLLMForConditionalGeneration")
        config.encoder_config = tiny_config(ENCODERS[arguments.encoder].__name__)
        return config
    text, encoder = language_model_config(arguments.language_model), ENCODERS[arguments.encoder]()
    widths = {"encoder_hidden_size": encoder.hidden_size, "text_hidden_size": text.hidden_size}
    projector = projector_config(arguments.projector, **widths)
    parts = {"encoder_config": encoder, "projector_config": projector, "text_config": text}
    return SpatialLLMConfig(**parts, audio_token_id=text.vocab_size, lora=vars(arguments.lora))


def main(arguments: BenchGpuArguments) -> None:
    if arguments.device == "cpu" and arguments.size == "full":
        raise SpatialLLMError("the full size is for a GPU; on a CPU only the command can be tried out: add --size tiny.")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise SpatialLLMError("this machine has no GPU; to try the command out: --device cpu --size tiny.")
    wanted, version, skipped = list(arguments.quantization), bitsandbytes_version(), {}
    if "4bit" in wanted and version is None:
        wanted.remove("4bit")
        skipped["4bit"] = "bitsandbytes is not installed: pip install 'spatial-llm[4bit]'"
    device, config, rows = torch.device(arguments.device), model_config(arguments), []
    for quantization, cache, length in itertools.product(wanted, arguments.encoder_cache, arguments.text_tokens):
        torch.manual_seed(arguments.seed)
        rest = (arguments.activation_checkpointing, arguments.batch_size, length, arguments.precision)
        rows.append(measure(config, Case(quantization, cache, *rest), device, arguments.steps))
        print(format_row(rows[-1]), flush=True)
    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "card": torch.cuda.get_device_name() if device.type == "cuda" else "none (CPU): the numbers mean nothing",
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "model": {"size": arguments.size, "language_model": arguments.language_model, "encoder": arguments.encoder},
        "results": rows,
        "skipped": skipped,
        **provenance(arguments.seed),
    }
    record["versions"]["bitsandbytes"] = version
    write_json(arguments.out, record)
    for what, why in skipped.items():
        print(f"{what} was not measured: {why}")
    print(f"written: {arguments.out}")


def format_row(row: dict[str, Any]) -> str:
    """Returns a measurement as one line."""
    how = "NF4" if row["quantization"] == "4bit" else row["precision"]
    case = f"{how}, encoder {'cached' if row['encoder_cache'] else 'runs'}"
    said = f"{case}, {row['batch_size']} x ({row['audio_tokens']} + {row['text_tokens']}) tokens: "
    planned = f"{row['planned_bytes'] / 1e9:.3f} GB planned"
    if row["peak_bytes"] is None:
        return f"{said}out of memory, {planned}"
    return f"{said}{row['tokens_per_s']:,.0f} tokens/s, peak {row['peak_bytes'] / 1e9:.3f} GB, {planned}"


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchGpuArguments, description=__doc__))
