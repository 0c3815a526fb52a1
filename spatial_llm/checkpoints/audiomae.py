"""Loads AudioMAE weights (Huang et al., NeurIPS 2022) into SpatialAST and DSpAST by name: trunk, patch embedding, positions.

AudioMAE has no fusion, CLS tokens, gates or heads; these parts of the encoders keep their initial values. Source: the
released training code of Spatial-AST and DSpAST starts from the same weights.
"""

import re
from collections.abc import Mapping

from spatial_llm.checkpoints.official_names import shared_names
from spatial_llm.checkpoints.report import KeyReport, as_tensors, load_by_name
from spatial_llm.encoders import DSpASTForLocalization, SpatialASTForLocalization

AUDIOMAE_LICENCE = "CC BY 4.0 (facebookresearch/AudioMAE)"

# Parts of AudioMAE that have no use here: decoder, mask and CLS tokens, final norm, and the fine-tuned model's classifier.
_UNUSED = re.compile(r"decoder.*|mask_token|cls_token|norm\..+|fc_norm\..+|head\..+")


def load_audiomae(
    model: SpatialASTForLocalization | DSpASTForLocalization, state_dict: Mapping
) -> tuple[KeyReport, list[str]]:
    """Fills trunk, patch embedding and position table of `model` with AudioMAE's.

    Args:
        model: an encoder of AudioMAE's sizes: width 768, 12 layers, 64 x 8 patches of 16 x 16, one fused plane.
        state_dict: AudioMAE names -> tensors; or the file's root, which holds them under "model".

    Returns:
        the report, and the names of our tensors that keep their initial values.

    Raises:
        CheckpointError: a tensor of trunk, patches or positions is missing, has another shape or is not finite, or a key is
            not AudioMAE's; all are named.
    """
    tensors = as_tensors(state_dict)
    report = KeyReport(AUDIOMAE_LICENCE)
    report.unused = [key for key in tensors if _UNUSED.fullmatch(key)]
    names = {key: ours for key, ours in shared_names(model.config).items() if not key.startswith("head.")}
    load_by_name(model, {key: tensors[key] for key in tensors if key not in report.unused}, names, set(), report)
    fresh = sorted(set(report.missing) & set(model.state_dict()) - set(names))
    report.missing = [key for key in report.missing if key not in fresh]
    report.raise_if_incomplete("AudioMAE state dict")
    return report, fresh
