"""A model that answers noise in milliseconds, for doors that are told a folder; and the model that ships."""

from pathlib import Path

import pytest
import torch

from spatial_llm import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_processor


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a saved SpatialLLM with fresh weights."""
    folder = tmp_path_factory.mktemp("toy") / "model"
    torch.manual_seed(0)
    SpatialLLM(SpatialLLMForConditionalGeneration(tiny_config("spatial_llm")), tiny_processor()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def shipped_tiny(repository: Path) -> Path:
    """Folder of the model that comes with the package."""
    return repository / "spatial_llm" / "shipped" / "tiny"
