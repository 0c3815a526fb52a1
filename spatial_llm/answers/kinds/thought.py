"""Parses and writes answers that are thought out: steps, then "Answer:" and a value of another kind.

"I hear the bell: left, front, 2.5m. I hear the dog: right, 4m. The bell is nearer than the dog. Answer: bell"

What stands behind the only "Answer:" is read as the kind of value that it concludes with ("labels" in `thought_labels`), in
the same reading; without it the answer is unparsed, however good its steps are. Steps are read alike in both readings
(`answers.steps`). Lenient: "The answer is" also marks the conclusion.
"""

import re
from collections.abc import Collection

from spatial_llm.answers import steps
from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds import labels, yes_no
from spatial_llm.errors import SpatialLLMError

MARK = "Answer:"
_MARK = re.compile(r"(?<!\w)answer:")
_FREE_MARK = re.compile(r"(?<!\w)(?:the )?(?:final )?answer is(?!\w):?")


def parted(text: str, reading: Reading = "strict") -> tuple[str, str | None]:
    """Returns the text before the conclusion and the conclusion, both in lower case with single blanks; the whole text and
    None where no conclusion is marked, or more than one is."""
    line = " ".join(text.lower().split())
    marks = list(_MARK.finditer(line)) or (list(_FREE_MARK.finditer(line)) if is_lenient(reading) else [])
    if len(marks) != 1:
        return line, None
    return line[: marks[0].start()].strip(), line[marks[0].end() :].strip()


def conclusion_alone(text: str) -> str:
    """Returns a thought-out answer without its steps: "Answer: bell"; the text itself where no conclusion is marked."""
    _, conclusion = parted(text)
    return text if conclusion is None else f"{MARK} {conclusion}"


def thought(concluded: Kind) -> Kind:
    """Returns the kind of answers that conclude with a value of the kind `concluded`: that value, and its `steps`."""

    def read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
        before, conclusion = parted(text, reading)
        value = None if conclusion is None else concluded.read(conclusion, reading, known)
        return None if value is None else value | {"steps": steps.read_steps(before)}

    def format(value: Value) -> str:
        said = steps.format_steps(value["steps"])
        text = f"{said} {MARK} {concluded.format(_without_steps(value))}".lstrip()
        if parted(text)[1] is None:
            raise SpatialLLMError(f"{text!r} marks more than one conclusion; give names without {MARK!r} inside.")
        return text

    def mirror(value: Value) -> Value:
        return concluded.mirror(_without_steps(value)) | {"steps": [steps.mirror_step(step) for step in value["steps"]]}

    return Kind(f"thought_{concluded.name}", read, format, mirror)


def _without_steps(value: Value) -> Value:
    return {name: item for name, item in value.items() if name != "steps"}


LABELS = thought(labels.KIND)
YES_NO = thought(yes_no.KIND)
