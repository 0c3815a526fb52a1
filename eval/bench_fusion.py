"""Measures fusions against the prefix, both sides of each pair alternately in one run on this machine.

    make bench        or        python eval/bench_fusion.py [--language_model meta-llama/Llama-3.2-1B] [--repeats 3]

The language model has the shape of Llama-3.2-1B with random weights in bf16, the recording 512 audio tokens, question and
answer 64; one thread. For each fusion, how many times faster than with the prefix a training step (forward and backward,
LoRA and projector) and an answer of 16 tokens are, how much less memory they take (weights left out), and what the count of
multiply-adds predicts for the forward pass. About eight minutes and 6 GB of memory.
"""

from dataclasses import dataclass, field
from typing import Any

import torch

from spatial_llm.door import door
from spatial_llm.files import write_json
from spatial_llm.fusion import read_fusion
from spatial_llm.profiling.cpu import compare
from spatial_llm.profiling.fusion import Shape, answering, build, kept_bytes, multiply_adds, peak_bytes, training_step
from spatial_llm.profiling.memory import KNOWN, language_model_config
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments

FUSIONS: dict[str, dict[str, Any]] = {
    "lal in every layer": {"type": "lal", "layers": {"start": 0}},
    "lal from a quarter": {"type": "lal"},
    "hybrid": {"type": "hybrid"},
}


@dataclass
class BenchFusionArguments:
    """Sets what to compare, how often to measure, and where to write.

    Attributes:
        language_model: its shape: a known name, or a folder with a config.json.
        fusions: by a name of your own, as `fusion` in recipes.
        text_tokens: tokens of question and answer.
        repeats: measurements of each pair, after a warm-up.
        out: file of the results.
        seed: of the weights.
    """

    language_model: str = "meta-llama/Llama-3.2-1B"
    fusions: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(FUSIONS))
    text_tokens: Count = 64
    repeats: Count = 3
    out: str = "bench_fusion.json"
    seed: Seed = 0


def main(arguments: BenchFusionArguments) -> None:
    """Measures, prints a table, and writes it as JSON."""
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    known = KNOWN.get(arguments.language_model)
    shape = Shape(known() if known else language_model_config(arguments.language_model), arguments.text_tokens)
    prefix, rows = build(shape, None), {}
    for name, settings in arguments.fusions.items():
        model, row = build(shape, settings), {}
        for what, work in (("training step", training_step), ("answer", answering)):
            ours, other = work(model, shape), work(prefix, shape)
            row[what] = compare(f"{name}, {what}", ours, other, arguments.repeats)
            row[what]["peak_bytes"], row[what]["prefix_peak_bytes"] = peak_bytes(ours), peak_bytes(other)
        sides = {"kept_bytes": model, "prefix_kept_bytes": prefix}
        row["training step"] |= {key: kept_bytes(side, training_step(side, shape)) for key, side in sides.items()}
        row["multiply_adds_ratio"] = multiply_adds(shape, read_fusion(None)) / multiply_adds(shape, read_fusion(settings))
        rows[name] = row
        del model
    print(format_rows(rows))
    facts = {"shape": shape.text.to_dict(), "audio_tokens": shape.audio_tokens, "text_tokens": shape.text_tokens}
    write_json(arguments.out, {"fusions": rows, **facts, **provenance(arguments.seed)})


def format_rows(rows: dict[str, dict[str, Any]]) -> str:
    """Returns the results as a table; every number is beside the prefix."""
    head = ("fusion", "step x", "by counting", "kept", "peak", "answer x", "its peak")
    lines = [("{:<20}" + "{:>13}" * 6).format(*head)]
    for name, row in rows.items():
        step, answer = row["training step"], row["answer"]
        shares = (
            step["kept_bytes"] / step["prefix_kept_bytes"],
            step["peak_bytes"] / step["prefix_peak_bytes"],
            answer["peak_bytes"] / answer["prefix_peak_bytes"],
        )
        kept, peak, its_peak = (f"{100 * (share - 1):+.0f} %" for share in shares)
        numbers = (f"{step['ratio_median']:.2f}", f"{row['multiply_adds_ratio']:.2f}", kept, peak)
        lines.append(("{:<20}" + "{:>13}" * 6).format(name, *numbers, f"{answer['ratio_median']:.2f}", its_peak))
    return "\n".join(lines)


if __name__ == "__main__":
    with door("bench_fusion"):
        main(parse_arguments(BenchFusionArguments, description=__doc__))
