"""The fields of fine-tuning under the names of version 0.1, by which its finished stages and checkpoints are recognised."""

from itertools import product
from typing import Any

from spatial_llm.projectors.configuration_qformer import QFormerProjectorConfig

# Field of the projector in version 0.1 -> field of the Q-Former's configuration, and the default of version 0.1.
_FIELDS = {
    "queries": ("num_query_tokens", 64),
    "layers": ("num_hidden_layers", 8),
    "cross_attention_every": ("cross_attention_frequency", 2),
    "hidden_size": ("hidden_size", None),
    "attention_heads": ("num_attention_heads", 12),
    "intermediate_size": ("intermediate_size", None),
    "dropout": ("hidden_dropout_prob", 0.1),
    "calibrate": ("standardize_inputs", False),
}
_ATTENTION_DROPOUT = "attention_probs_dropout_prob"  # in version 0.1 it was that of the layers


def fields_of_version_0_1(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what version 0.1 may have recorded for a run with these fields.

    Its two widths could be null (the encoder's width, and four times that), hence several possibilities.

    Args:
        fields: `settings.flat_fields` of a `BatArguments`.

    Returns:
        The same fields with those of the projector renamed, in the order of version 0.1; empty if that version did not have
        the projector.
    """
    given = {name.removeprefix("projector."): value for name, value in fields.items() if name.startswith("projector.")}
    is_qformer = given.pop("model_type", QFormerProjectorConfig.model_type) == QFormerProjectorConfig.model_type
    dropout = given.get("hidden_dropout_prob", 0.1)
    known = {name for name, _ in _FIELDS.values()} | {_ATTENTION_DROPOUT}
    if not is_qformer or set(given) - known or given.get(_ATTENTION_DROPOUT, dropout) != dropout:
        return []
    names = list(fields)
    start = next(number for number, name in enumerate(names) if name.split(".")[0] == "projector")
    others = {name: value for name, value in fields.items() if name.split(".")[0] != "projector"}
    possible = []
    for nulls in product((False, True), repeat=2):
        projector = {f"projector.{old}": given.get(new, default) for old, (new, default) in _FIELDS.items()}
        for name, null in zip(("hidden_size", "intermediate_size"), nulls, strict=True):
            projector[f"projector.{name}"] = None if null else projector[f"projector.{name}"]
        before = {name: others[name] for name in names[:start]}
        possible.append(before | projector | {name: value for name, value in others.items() if name not in before})
    return possible
