"""Loading the models that a run starts from, with one sentence where a name leads nowhere."""

from typing import Any

from spatial_llm.encoders.folder_files import in_words, is_local_folder
from spatial_llm.errors import CheckpointError


def load_base(auto_class: Any, name: str, role: str, **kwargs: Any) -> Any:
    """Returns `auto_class.from_pretrained(name, **kwargs)`.

    Args:
        auto_class: AutoModel, AutoTokenizer, ...
        name: folder or name on the hub.
        role: what the run needs it for; the error begins with it ("language_model").

    Raises:
        CheckpointError: there is no such folder, or the hub does not give the model: it is absent, gated or out of reach.
    """
    try:
        is_local_folder(name)
    except CheckpointError as error:
        raise CheckpointError(f"{role}: {error}") from None
    with in_words(f"{role} {name!r}", OSError, ValueError):
        return auto_class.from_pretrained(name, **kwargs)
