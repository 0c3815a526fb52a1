"""Asks which of two sources moves faster, to be thought out as in the family `thinking`: each step states a mean speed.

"I hear the car: 2.4 m/s. I hear the dog: 0.9 m/s. The car is faster than the dog. Answer: car"
"""

from spatial_llm.answers.steps import Step
from spatial_llm.questions.asking import Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.families import motion_compared
from spatial_llm.questions.families.thinking import thought_out, thoughtful
from spatial_llm.questions.family import Family
from spatial_llm.questions.margins import Margins
from spatial_llm.questions.motion import named_courses
from spatial_llm.questions.thinking import compared


def steps_to_faster(margins: Margins, scene: HeardScene, asked: Question) -> list[Step]:
    """Returns the mean speeds of the two sounds, to a tenth of a metre a second, and that one is faster."""
    pair = {asked.about.sources[0], asked.about.reference}
    stated = [
        {"heard": course.source.label, "speed_m_s": round(course.speeds_m_s[0], 1)}
        for course in named_courses(scene)
        if course.index in pair
    ]
    one, other = scene.sources[asked.about.sources[0]], scene.sources[asked.about.reference]
    return [*stated, compared(one, "faster", other)]


FAMILY = Family(
    "thinking_motion",
    {"THINK_FASTER": "thought_labels"},
    (thoughtful(motion_compared.FASTER),),
    ask=(thought_out(motion_compared.faster, "THINK_FASTER", steps_to_faster),),
    needs=("times", "motion"),
)
