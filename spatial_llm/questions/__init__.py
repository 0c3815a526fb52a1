"""Writes questions about a scene, their answers, and the structured truth behind each.

Names are imported when they are first used, because a model that answers needs none of the writing.
"""

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.questions.asking": ["Question"],
        "spatial_llm.questions.config": ["QuestionConfig", "official_only"],
        "spatial_llm.questions.facts": ["HeardScene", "HeardSource"],
        "spatial_llm.questions.scene_text": ["scene_to_text"],
        "spatial_llm.questions.text_corpus": ["text_examples"],
        "spatial_llm.questions.writer": ["QuestionWriter"],
    },
)
