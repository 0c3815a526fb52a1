"""Loading the models that a run starts from, with one sentence where a name leads nowhere."""

from pathlib import Path
from typing import Any

from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, OfflineModeIsEnabled, RepositoryNotFoundError

from spatial_llm.errors import CheckpointError, SpatialLLMError

_REASONS = (
    (GatedRepoError, "it is gated: accept its licence on its page of the hub and log in with `hf auth login`"),
    (RepositoryNotFoundError, "the hub has no model of that name, or it is private: correct the name, or log in"),
    (OfflineModeIsEnabled, "it is not in the cache and HF_HUB_OFFLINE is set: download it first, or unset it"),
    (LocalEntryNotFoundError, "it is not in the cache and the hub cannot be reached: download it first"),
)


def load_base(auto_class: Any, name: str, role: str, **kwargs: Any) -> Any:
    """`auto_class.from_pretrained(name, **kwargs)`.

    Args:
        auto_class: AutoModel, AutoTokenizer, ...
        name: folder or hub name.
        role: what it is for, said in the error ("language_model").

    Raises:
        CheckpointError: there is no such folder, or the hub does not give it: absent, gated, out of reach.
    """
    if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not Path(name).is_dir():
        raise CheckpointError(f"{role}: there is no folder {name}; give the folder of a saved model, or a hub name.")
    try:
        return auto_class.from_pretrained(name, **kwargs)
    except SpatialLLMError:
        raise
    except (OSError, ValueError) as error:
        chain: list[BaseException] = [error]
        while following := chain[-1].__cause__ or chain[-1].__context__:
            chain.append(following)
        for kind, reason in _REASONS:
            if any(isinstance(one, kind) for one in chain):
                raise CheckpointError(f"{role} {name!r} cannot be loaded: {reason}.") from error
        # transformers explains over several lines; the first says what is wrong.
        raise CheckpointError(f"{role} {name!r} cannot be loaded: {str(error).strip().splitlines()[0]}") from error
