"""Our models, configs and processors registered with transformers' Auto classes, each as soon as its Auto class is imported.

Importing this package must not import transformers, which takes seconds that simulating and scoring do not need; and
`AutoModel.from_pretrained` must know our folders after a bare `import spatial_llm`. Hence hooks that run when transformers'
own modules have been imported, at once where they already are.
"""

from types import ModuleType

from wrapt import when_imported

from spatial_llm.torch_pair import check_torch_pair

AUTO = "transformers.models.auto"


@when_imported("transformers")
def _torch_pair(_: ModuleType) -> None:
    check_torch_pair()


@when_imported(f"{AUTO}.configuration_auto")
def _configs(auto: ModuleType) -> None:
    from spatial_llm.encoders import DSpASTConfig, SpatialASTConfig
    from spatial_llm.model import SpatialLLMConfig
    from spatial_llm.projectors import QFormerProjectorConfig

    for config in (SpatialASTConfig, DSpASTConfig, QFormerProjectorConfig, SpatialLLMConfig):
        auto.AutoConfig.register(config.model_type, config)


@when_imported(f"{AUTO}.modeling_auto")
def _models(auto: ModuleType) -> None:
    from spatial_llm.encoders import DSpASTConfig, DSpASTModel, SpatialASTConfig, SpatialASTModel
    from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMModel
    from spatial_llm.projectors import QFormerProjector, QFormerProjectorConfig

    for config, model in (
        (SpatialASTConfig, SpatialASTModel),
        (DSpASTConfig, DSpASTModel),
        (QFormerProjectorConfig, QFormerProjector),
        (SpatialLLMConfig, SpatialLLMModel),
    ):
        auto.AutoModel.register(config, model)
    auto.AutoModelForMultimodalLM.register(SpatialLLMConfig, SpatialLLMForConditionalGeneration)


@when_imported(f"{AUTO}.feature_extraction_auto")
def _feature_extractors(auto: ModuleType) -> None:
    from spatial_llm.audio.feature_extraction_spatial import SpatialFeatureExtractor
    from spatial_llm.encoders import DSpASTConfig, SpatialASTConfig

    for config in (SpatialASTConfig, DSpASTConfig):
        auto.AutoFeatureExtractor.register(config, SpatialFeatureExtractor)


@when_imported(f"{AUTO}.processing_auto")
def _processors(auto: ModuleType) -> None:
    from spatial_llm.model import SpatialLLMConfig, SpatialLLMProcessor

    auto.AutoProcessor.register(SpatialLLMConfig, SpatialLLMProcessor)
