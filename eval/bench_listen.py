"""Measures what it saves to encode a recording once for ten questions: `listen` against ten calls of `ask`, alternately.

    make bench        or        python eval/bench_listen.py [--repeats 3] [--out bench_listen.json]

Two models: the shipped one, and one with DSpAST and a Q-Former at the size of the papers (random weights) before the shipped
language model. The answers of both ways are compared first. One thread; CPU time of this process.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from tqdm import tqdm

from spatial_llm import DSpASTConfig, SpatialLLM, SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import write_json
from spatial_llm.projectors import QFormerProjectorConfig
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped import RECORDINGS

RECORDING = RECORDINGS / "one_source.flac"
QUESTIONS = (
    "What sound events can you hear in the audio clip?",
    "Identify the sound events in the audio clip.",
    "Enumerate the sound occurrences in the audio clip.",
    "Where is the sound in this audio clip coming from?",
    "How many sound sources are there in the audio clip?",
    "How many sources of sound can you hear?",
    "Count the sound sources around you.",
    "Which sound is the nearest to you?",
    "Which sound is the farthest from you?",
    "At what hour of the clock is the sound of the bell? 12 o'clock is straight ahead, 3 o'clock to the right.",
)
LONGEST = 8  # tokens of an answer, so that random weights end too


@dataclass
class BenchArguments:
    """Sets how often to measure, and where to write."""

    repeats: Count = 3
    out: str = "bench_listen.json"
    seed: Seed = 0


def full_size(shipped: SpatialLLM) -> SpatialLLM:
    """Returns a model with encoder and Q-Former as in the papers and random weights, and a small language model."""
    text = shipped.model.config.text_config
    projector = QFormerProjectorConfig(text_hidden_size=text.hidden_size)
    config = SpatialLLMConfig(
        encoder_config=DSpASTConfig(), projector_config=projector, text_config=text, audio_token_id=text.vocab_size
    )
    model = SpatialLLMForConditionalGeneration(config)
    return SpatialLLM(model, SpatialLLMProcessor.for_model(model, shipped.processor.tokenizer))


def compare(name: str, model: SpatialLLM, repeats: int) -> dict[str, float]:
    """Returns the CPU seconds of both ways, measured alternately, and the median of their ratios.

    Raises:
        SpatialLLMError: the answers differ.
    """

    def once() -> list[str]:
        return [str(answer) for answer in model.listen(RECORDING).ask(QUESTIONS, max_new_tokens=LONGEST)]

    def each() -> list[str]:
        return [str(model.ask(RECORDING, question, max_new_tokens=LONGEST)) for question in QUESTIONS]

    if once() != each():
        raise SpatialLLMError(f"{name}: answers differ between listening once and ten times; this is a bug.")
    pairs = [(_cpu_seconds(once), _cpu_seconds(each)) for _ in tqdm(range(repeats), desc=name)]
    return {
        "ratio_median": round(statistics.median(ten / one for one, ten in pairs), 2),
        "listen_s": round(statistics.median(one for one, _ in pairs), 3),
        "ask_s": round(statistics.median(ten for _, ten in pairs), 3),
    }


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main(arguments: BenchArguments) -> None:
    torch.manual_seed(arguments.seed)
    warnings.simplefilter("ignore", UserWarning)  # each answer warns of the same again, across the progress bar
    torch.set_num_threads(1)
    shipped = SpatialLLM.from_pretrained("tiny")
    models = {"shipped model": shipped, "encoder and Q-Former at full size": full_size(shipped)}
    results = {name: compare(name, model, arguments.repeats) for name, model in models.items()}
    write_json(arguments.out, {"results": results, "questions": len(QUESTIONS), **provenance(arguments.seed)})
    for name, found in results.items():
        seconds = f"{found['listen_s']:.2f} s against {found['ask_s']:.2f} s"
        print(f"{name}, ten questions: listening once is {found['ratio_median']} times faster ({seconds}), same answers")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
