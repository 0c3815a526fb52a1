"""Measures how a model that hears in codes uses its code books, and how much of the recordings the codes keep.

    python eval/codes.py --model MODEL --data eval.jsonl [--recordings 200] [--out codes.json]

MODEL was trained with the projector spatial_rvq_projector. For each level: the perplexity of its codes, the share of them
that is used, and the squared error of what the levels so far give back, as a share of the variance of the encoder's pooled
tokens. Costs one pass of the encoder.
"""

from dataclasses import dataclass

from spatial_llm import SpatialLLM
from spatial_llm.door import door
from spatial_llm.evaluation.codes import format_use, measure_codes
from spatial_llm.files import check_place, write_json
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count
from spatial_llm.settings import parse_arguments


@dataclass
class CodesArguments:
    """Sets whose codes are measured, on what.

    Attributes:
        model: folder of a saved SpatialLLM.
        data: manifest, of which each recording counts once.
        recordings: how many are heard.
        out: file of the numbers.
    """

    model: str
    data: str
    recordings: Count = 200
    out: str = "codes.json"


def main(arguments: CodesArguments) -> None:
    check_place(arguments.out)
    model = SpatialLLM.from_pretrained(arguments.model)
    use = measure_codes(model, arguments.data, arguments.recordings)
    print(format_use(use, model.model.config.projector_config.codebook_size))
    write_json(arguments.out, use.to_dict() | {"data": arguments.data, **provenance(None, arguments.data)})
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(CodesArguments, description=__doc__))
