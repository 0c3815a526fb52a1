"""Which imports load transformers, and that its Auto classes know our models whatever is imported first."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
KNOWN = """
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForMultimodalLM, AutoProcessor
folder = "spatial_llm/shipped/tiny"
assert type(AutoConfig.from_pretrained(folder)).__name__ == "SpatialLLMConfig"
assert type(AutoProcessor.from_pretrained(folder)).__name__ == "SpatialLLMProcessor"
assert type(AutoModelForMultimodalLM.from_pretrained(folder)).__name__ == "SpatialLLMForConditionalGeneration"
"""


def run(code: str) -> None:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "first",
    [
        "import transformers; import spatial_llm",
        # Modules that import transformers themselves, in the middle of which the classes are registered.
        "import spatial_llm.encoders.layers",
        pytest.param(
            "from transformers import PreTrainedModel; import spatial_llm.projectors.modeling_qformer",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_auto_classes_know_our_folders_whatever_is_imported_first(first):
    run(first + KNOWN)


def test_simulating_and_scoring_load_no_model():
    modules = (
        "spatial_llm, spatial_llm.settings, spatial_llm.scenes, spatial_llm.questions, "
        "spatial_llm.data.simulate.simulation, "
        "spatial_llm.data.simulate.questions, spatial_llm.data.checks, spatial_llm.evaluation.scoring.score, "
        "spatial_llm.evaluation.scoring.compare, spatial_llm.evaluation.report.write"
    )
    run(f"import sys, {modules}\nassert not {{'transformers', 'peft', 'spatial_llm.model.body'}} & set(sys.modules)")


def test_a_name_that_is_not_there_is_an_attribute_error_and_all_others_are_listed():
    import spatial_llm

    assert set(spatial_llm.__all__) <= set(dir(spatial_llm))
    assert all(getattr(spatial_llm, name).__name__ == name for name in spatial_llm.__all__)
    with pytest.raises(AttributeError, match="'spatial_llm' has no attribute 'nothing'"):
        spatial_llm.nothing  # noqa: B018
