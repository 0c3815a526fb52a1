"""SPUR's six families as one task: its questions are all written, and all of them are scored."""

import numpy as np
import yaml

from spatial_llm.data.simulate.questions import records_of
from spatial_llm.evaluation.metrics import compute_metrics, read_answers
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter
from tests.questions.scenes import LABELS, draw_scenes

SIX = {
    "direction": {"AZIMUTH_DEG", "AZIMUTH_CLOCK", "WRONG_PLACE"},
    "elevation": {"ELEVATION_DEG"},
    "distance": {"DISTANCE", "NEAREST", "FARTHEST"},
    "overlap": {"OVERLAP"},
    "grouping and relation": {"SAME_CLASS", "RELATION_LEFT", "RELATION_RIGHT", "RELATION_FRONT", "RELATION_BEHIND"},
    "rotated scene": {"ROTATED", "ROTATED_AZIMUTH"},
}


def test_every_one_of_the_six_is_asked_and_its_answers_are_scored(repository):
    text = (repository / "data/configs/spur_questions.yaml").read_text()
    config = QuestionConfig(**yaml.safe_load(text)["writing"]["questions"])
    writer = QuestionWriter(config, np.random.default_rng(0), LABELS, "eval")
    scenes = draw_scenes(60, seed=3, split="eval")
    records = [record for scene in scenes for record in records_of(scene, writer)]
    asked = {record.question_type for record in records}
    assert asked == set().union(*SIX.values())
    task = read_task(repository / "eval/tasks/spur.yaml")
    right = compute_metrics(read_answers(records, [record.answer for record in records]), None)
    scored = {name: metric for name, metric in right.items() if metric.protocol in task.protocols}
    for family, types in SIX.items():
        for kind in types:
            exact = scored[f"{kind}_exact"]
            assert exact.strict(np.ones((1, exact.strict.items)))[0] == 100.0, (family, kind)


def test_whether_sounds_overlap_is_asked_of_clear_pairs_and_said_yes_to_in_half():
    def source(label, onset_s, offset_s):
        return HeardSource(label, 0.0, 0.0, 1.0, onset_s=onset_s, offset_s=offset_s)

    writer = QuestionWriter(QuestionConfig(ask={"overlap": 1}), np.random.default_rng(0), LABELS)
    bell, rain, bark = source("bell", 0.0, 2.0), source("rain", 1.5, 4.0), source("bark", 2.5, 3.0)
    found = [item for _ in range(60) for item in writer.write(HeardScene((bell, rain, bark)))]
    truth = {frozenset(("bell", "rain")): "Yes", frozenset(("bell", "bark")): "No", frozenset(("rain", "bark")): "Yes"}
    for item in found:
        assert item.answer == truth[frozenset(word for word in ("bell", "rain", "bark") if word in item.question)]
    assert abs(sum(item.answer == "Yes" for item in found) - len(found) / 2) <= 1
    near = HeardScene((bell, source("rain", 1.8, 4.0), source("bark", 2.2, 3.0)))  # 0.2 s in common, and between
    fresh = QuestionWriter(QuestionConfig(ask={"overlap": 1}), np.random.default_rng(0), LABELS)
    asked = [item.question for _ in range(20) for item in fresh.write(near)]
    assert asked and not any("bell" in question for question in asked)
