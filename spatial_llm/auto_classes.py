"""Our models, configs and processors registered with transformers' Auto classes, as soon as transformers is imported.

Importing this package must not import transformers, which takes seconds that simulating and scoring do not need; and
`AutoModel.from_pretrained` must know our folders after a bare `import spatial_llm`. Hence a hook that runs when
transformers has been imported, at once where it already is. The packages that define the classes import transformers at the
end of their `__init__`, before any of their modules, so that the hook never meets a module of theirs that is half imported.
"""

from types import ModuleType

from wrapt import when_imported

from spatial_llm.torch_pair import check_torch_pair


@when_imported("transformers")
def register(_: ModuleType) -> None:
    """Checks the pair of torch and torchaudio, then registers every class of ours."""
    check_torch_pair()
    import transformers  # the module that the hook is given is not the one that transformers puts in its own place

    from spatial_llm import model
    from spatial_llm.encoders.kinds import ENCODERS
    from spatial_llm.projectors.kinds import PROJECTORS

    for config, module in (
        *((kind.config, kind.model) for kind in ENCODERS.values()),
        *PROJECTORS.values(),
        (model.SpatialLLMConfig, model.SpatialLLMModel),
    ):
        transformers.AutoConfig.register(config.model_type, config)
        transformers.AutoModel.register(config, module)
    for kind in ENCODERS.values():
        transformers.AutoFeatureExtractor.register(kind.config, kind.feature_extractor)
    transformers.AutoModelForMultimodalLM.register(model.SpatialLLMConfig, model.SpatialLLMForConditionalGeneration)
    transformers.AutoProcessor.register(model.SpatialLLMConfig, model.SpatialLLMProcessor)
