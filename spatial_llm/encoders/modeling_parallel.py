"""`ParallelEncoder`: several encoders hear one recording, and their tokens lie on one grid, channels side by side.

Source: the ensemble of PAL (arXiv 2506.10423, section 2.4), where a connector reads, in each cell of the reference's grid,
the tokens of all encoders that lie there. Here they are brought to the grid by copies or means, so that one tensor holds
them and a cache, a projector or a checkpoint needs to know of one encoder only; `TokenLayout.slice_cells` tells a projector
which cells hold copies of one token, so that it may read each once.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PreTrainedModel
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.checked_config import CheckedConfig
from spatial_llm.encoders.configuration_parallel import ParallelEncoderConfig, steps
from spatial_llm.encoders.folder_files import in_words
from spatial_llm.encoders.heads import SpatialEncoderOutput
from spatial_llm.encoders.parallel_kinds import MEMBERS
from spatial_llm.encoders.precision import within
from spatial_llm.encoders.pretrained import CheckedPreTrainedModel, not_finite_tensors, raise_on_gaps
from spatial_llm.errors import SpatialLLMError

# What wav2vec 2.0 puts in place of masked frames; some released files lack it.
_ONLY_IN_TRAINING = "masked_spec_embed"


class ParallelEncoder(CheckedPreTrainedModel):
    """Maps `input_features` (B, numbers) to `last_hidden_state` (B, tokens of the reference, sum of all widths).

    All encoders are frozen: no parameter requires gradients (unless a composite is told to train its encoder), and they stay
    in eval mode even in training, so that BatchNorms keep their statistics and nothing is dropped or masked.

    Attributes:
        encoders: the encoders, the reference first.
    """

    config: ParallelEncoderConfig
    config_class = ParallelEncoderConfig
    # No start of `encoders`: transformers would strip it from the names of the encoders' tensors and rename none of them.
    base_model_prefix = "parallel"
    main_input_name = "input_features"
    input_modalities = ("audio",)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: ParallelEncoderConfig) -> None:
        super().__init__(config)
        self._take([member.build() for member in config.members])
        for encoder in self.encoders:
            encoder.set_attn_implementation(config._attn_implementation)
        self.post_init()
        for names in ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict"):
            parts = enumerate(self.encoders)
            kept = {within(f"encoders.{i}", name) for i, part in parts for name in getattr(part, names, None) or ()}
            setattr(self, names, kept)
        self.freeze()

    @classmethod
    def from_encoders(cls, encoders: Sequence[Any], duration_s: float | None = None) -> Self:
        """Joins trained encoders, of which no weight is copied or changed; they are frozen.

        Args:
            encoders: the reference first; each a model, a folder, a name on the hub, or an object with one of these as
                `encoder` beside the other keys of `ParallelEncoderConfig.encoders`. Heads, decoders and text sides are left
                out. `feature_extractor` is a feature extractor or its settings; default: that in the folder of the model.
            duration_s: as in `ParallelEncoderConfig`.

        Raises:
            CheckpointError: a folder cannot be loaded.
            SpatialLLMError: an encoder of an unknown kind, or settings that do not fit, see `ParallelEncoderConfig`.
        """
        models, entries = [], []
        for index, given in enumerate(encoders):
            entry = dict(given) if isinstance(given, Mapping) else {"encoder": given}
            model, where = _loaded(entry.get("encoder"), f"encoders[{index}]")
            entry["encoder"] = model.config
            if entry.get("feature_extractor") is None and not hasattr(model.config, "feature_extractor"):
                if not where:
                    raise SpatialLLMError(
                        f"encoders[{index}] ({model.config.model_type}): no feature_extractor, and the model was not loaded "
                        "from a folder that has one; give its own."
                    )
                with in_words(f"the feature extractor of {where}"):
                    entry["feature_extractor"] = AutoFeatureExtractor.from_pretrained(where)
            models.append(model)
            entries.append(entry)
        config = ParallelEncoderConfig(encoders=entries, duration_s=duration_s)
        with torch.device("meta"):
            parallel = cls(config)
        parallel._take(models)
        parallel.freeze()
        return parallel.eval()

    def _take(self, encoders: Sequence[PreTrainedModel]) -> None:
        self.encoders = nn.ModuleList(encoders)
        for encoder in encoders:
            if not encoder._supports_sdpa:
                # CLAP and WavLM compute attention in their own way, whatever is asked for; without these flags they would
                # refuse what is asked of the whole model.
                encoder._supports_sdpa = encoder._supports_flash_attn = encoder._supports_flex_attn = True

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads as `CheckedPreTrainedModel.from_pretrained`; the encoders are frozen."""
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        # Loading creates new parameters, which all require gradients.
        (loaded[0] if isinstance(loaded, tuple) else loaded).freeze()
        return loaded

    def freeze(self) -> None:
        """Switches gradients off in all encoders, and puts them into eval mode."""
        self.encoders.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.encoders.eval()
        return self

    def get_input_embeddings(self) -> nn.Module:
        return self.encoders[0].get_input_embeddings()

    @can_return_tuple
    def forward(self, input_features: torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> SpatialEncoderOutput:
        """Runs all encoders.

        Args:
            input_features: (B, numbers), as `ParallelFeatureExtractor` makes them.

        Returns:
            SpatialEncoderOutput with `last_hidden_state` (B, tokens of the reference, hidden_size), channels divided as in
            `config.token_layout`. On the reference's grid each token of a coarser grid is repeated, and of a finer one the
            mean is taken. In the rows of the reference's CLS tokens an encoder has its own if they are as many; otherwise
            the mean of its own, or, if it has none, of all its tokens.

        Raises:
            SpatialLLMError: another number of numbers.
        """
        sizes = self.config.input_sizes
        if input_features.ndim != 2 or input_features.shape[1] != sum(sizes):
            raise SpatialLLMError(
                f"input_features of shape {tuple(input_features.shape)}, expected (B, {sum(sizes)}): use "
                "config.feature_extractor()."
            )
        members = self.config.members
        reference, found = members[0], []
        for member, encoder, numbers in zip(members, self.encoders, input_features.split(sizes, dim=1), strict=True):
            tokens = member.encode(encoder, numbers)
            cls_tokens, grid = tokens[:, : member.num_cls_tokens], tokens[:, member.num_cls_tokens :]
            if member.num_cls_tokens != reference.num_cls_tokens:
                mean = (cls_tokens if member.num_cls_tokens else grid).mean(dim=1, keepdim=True)
                cls_tokens = mean.expand(-1, reference.num_cls_tokens, -1)
            placed = _on_grid(grid.unflatten(1, member.grid), reference.grid)
            found.append(torch.cat([cls_tokens, placed.flatten(1, 2)], dim=1))
        return SpatialEncoderOutput(last_hidden_state=torch.cat([each.to(found[0].dtype) for each in found], dim=-1))


def _on_grid(tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Brings (B, rows, columns, width) to (B, *grid, width)."""
    repeats, blocks = steps(grid, tuple(tokens.shape[1:3]), "an encoder")
    for axis, (copies, block) in enumerate(zip(repeats, blocks, strict=True), start=1):
        if copies > 1:
            tokens = tokens.repeat_interleave(copies, dim=axis)
        if block > 1:
            tokens = tokens.unflatten(axis, (-1, block)).mean(dim=axis + 1)
    return tokens


def _loaded(given: Any, name: str) -> tuple[PreTrainedModel, str]:
    """Returns the encoder alone, and the folder or hub name that it is from ("" if it is from none)."""
    model, missing = given, set()
    if isinstance(given, str | os.PathLike):
        with in_words(f"{name} {given}"):
            if isinstance(AutoConfig.from_pretrained(given), CheckedConfig):
                model = AutoModel.from_pretrained(given)  # ours refuses gaps itself
            else:
                model, info = AutoModel.from_pretrained(given, output_loading_info=True)
                missing = info["missing_keys"]
    if not isinstance(model, PreTrainedModel):
        raise SpatialLLMError(f"{name}: encoder is {given!r}; expected a model, a folder or a name on the hub.")
    where = model.name_or_path
    part = getattr(model, "audio_model", model)  # CLAP hears with one of its two sides
    if part.config.model_type not in MEMBERS:
        kinds = ", ".join(MEMBERS)
        raise SpatialLLMError(f"{name}: the model is of type {part.config.model_type!r}; expected one of {kinds}.")
    part = MEMBERS[part.config.model_type].part_of(part)
    own = {id(tensor) for tensor in (*part.parameters(), *part.buffers())}
    names = {key for key, tensor in (*model.named_parameters(), *model.named_buffers()) if id(tensor) in own}
    raise_on_gaps(
        f"{name} {given if missing else ''}",
        missing=[key for key in names & set(missing) if not key.endswith(_ONLY_IN_TRAINING)],
        not_finite=not_finite_tensors(part),
    )
    return part, where
