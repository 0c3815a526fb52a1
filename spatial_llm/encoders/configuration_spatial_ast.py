"""Sizes of a SpatialAST encoder (BAT, arXiv 2402.01591, section 3)."""

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.configuration_base import SpatialEncoderConfig


@strict
class SpatialASTConfig(SpatialEncoderConfig):
    """Configuration of SpatialAST (BAT, arXiv 2402.01591): log-mels and IPD of two ears, one trunk, three CLS tokens."""

    model_type = "spatial_ast"
