"""Measures the time to the first answer and the memory it takes: a fresh process imports, loads the model and answers.

    make bench        or        python eval/bench_answer.py [--model tiny] [--runs 3] [--out bench_answer.json]

Goals on 2 cores: the first answer within 5 s after `import spatial_llm`, at most 1.5 GB of memory at its peak.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import write_json
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped import RECORDINGS

GOALS = {"first_answer_s": 5.0, "peak_mb": 1500.0}
QUESTION = "Where is the sound in this audio clip coming from?"
# Runs in a process of its own, because a second import, a second load and a second answer are all faster.
PROGRAM = """
import json, resource, sys, time
start = time.perf_counter()
from spatial_llm import SpatialLLM
imported = time.perf_counter()
model = SpatialLLM.from_pretrained(sys.argv[1])
loaded = time.perf_counter()
answer = model.ask(sys.argv[2], sys.argv[3])
answered = time.perf_counter()
model.ask(sys.argv[2], sys.argv[3])
again = time.perf_counter()
kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"import_s": imported - start, "load_s": loaded - imported, "first_answer_s": answered - imported,
                  "next_answer_s": again - answered, "peak_mb": kilobytes * 1024 / 1e6, "answer": answer}))
"""


@dataclass
class BenchArguments:
    """Sets which model answers, in how many processes, and where to write."""

    model: str = "tiny"
    runs: Count = 3
    out: str = "bench_answer.json"


def main(arguments: BenchArguments) -> None:
    found = []
    for _ in range(arguments.runs):
        command = [sys.executable, "-c", PROGRAM, arguments.model, str(RECORDINGS / "one_source.flac"), QUESTION]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SpatialLLMError(f"the model {arguments.model} gave no answer:\n{done.stderr.strip()[-2000:]}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    numbers = {name: round(median(run[name] for run in found), 3) for name in found[0] if name != "answer"}
    write_json(arguments.out, {"goals": GOALS, "median": numbers, "model": arguments.model, "runs": found} | provenance())
    for name, value in numbers.items():
        goal = f"   goal: at most {GOALS[name]:g}" if name in GOALS else ""
        print(f"{value:10.2f}  {name}{goal}")
    print(f"written: {arguments.out}; medians of {arguments.runs} processes, which answered {found[0]['answer']!r}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
