"""The lessons of fine-tuning, one file each: what `teach` names. A new lesson is a file and a line in `LESSONS`."""

from spatial_llm.training.finetune.lessons import answers, scenes
from spatial_llm.training.finetune.lessons.lesson import Lesson

LESSONS: dict[str, Lesson] = {
    "answers": answers.LESSON,
    "scenes": scenes.LESSON,
}
