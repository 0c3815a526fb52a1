"""The RVQ projector: the encoder's tokens become codes of a residual quantiser, and the codes become tokens of the language
model, so that nothing but whole numbers passes between ear and language.

    encoder tokens -> pooled in time -> norm -> down -> residual quantiser -> codes (positions, levels)
    codes -> a row of the table of each level -> their sum: one token a position (or each row a token of its own)

The levels of a position are summed, as Moshi (arXiv 2410.00037) and MusicGen (arXiv 2306.05284) sum the embeddings of
parallel code books: a sequence then is as long as that of continuous tokens, and a comparison of the two is one at an equal
budget. A token for each code, as AudioLM flattens them (arXiv 2209.03143), is `tokens: one_a_code`.

No gradient of the answers passes the codes. The tables learn from the answers; `down` and `up` learn from the reconstruction
of the pooled positions and from the commitment to code vectors, whose weighted sum is `AudioTokens.loss`. Before training,
`down` and `up` are set to the principal components of a sample, the code books by k-means, and the tables to one random
image of the code vectors, so that codes that stand for similar sound begin with similar embeddings.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import layer_norm, mse_loss, one_hot
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.base import AudioTokens, Projector, check_scale
from spatial_llm.projectors.codebook_use import CodebookUse, codebook_use, relative_error
from spatial_llm.projectors.configuration_rvq import RVQProjectorConfig
from spatial_llm.projectors.pooling import pooled
from spatial_llm.projectors.reading import check_tokens
from spatial_llm.projectors.residual import ResidualQuantizer


class RVQProjector(Projector):
    """Maps rows of patch tokens -> fewer rows -> codes -> embeddings of the codes.

    Attributes:
        use: (levels, codes), the running share of positions of each code in training.
        error: (), the running error of reconstruction, relative to the variance of positions.
    """

    config: RVQProjectorConfig
    config_class = RVQProjectorConfig
    # There is no attention inside, so any implementation that the whole model uses is supported.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: RVQProjectorConfig) -> None:
        size, levels, codes = config.pooled_size, config.num_levels, config.codebook_size
        if config.hidden_size > size:
            raise SpatialLLMError(
                f"hidden_size is {config.hidden_size}, but a position of the pooled grid has {size} channels; give at most "
                "these."
            )
        super().__init__(config)
        self.down = nn.Linear(size, config.hidden_size)
        self.quantizer = ResidualQuantizer(
            config.hidden_size, levels, codes, config.learned, config.decay, config.dead_share
        )
        self.up = nn.Linear(config.hidden_size, size)
        self.tables = nn.Embedding(levels * codes, config.text_hidden_size)
        self.register_buffer("use", torch.zeros(levels, codes))
        self.register_buffer("error", torch.zeros(()))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            # Here, not where the quantizer itself comes: transformers passes over modules without weights of their own.
            self.quantizer.init_weights()
            # Variances are kept, so that code vectors of any width suit a fresh projector.
            for linear in (self.down, self.up):
                init.normal_(linear.weight, std=linear.in_features**-0.5)
            init.zeros_(self.use)
            init.zeros_(self.error)

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Quantises the patch tokens, compressed in time, and embeds the codes.

        Code books change in training mode alone, with gradients on and the projector not frozen.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens.

        Returns:
            `last_hidden_state` (B, tokens, text_hidden_size), in the order of positions, then of levels where each code is a
            token; `seconds` of them, as `pooled` has them; and where code books may change `loss`, the weighted sum of
            commitment and reconstruction. A position that is not finite gives tokens of NaN.

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, or it has fewer rows than are wanted.
        """
        positions, seconds = self._positions(audio_hidden_states, layout)
        learns = self.training and torch.is_grad_enabled() and self.tables.weight.requires_grad and not positions.is_meta
        found = self.quantizer(self._narrow(positions), learns)
        loss = self._loss(positions, found.vectors, found.codes, found.commitment) if learns else None
        lost = ~torch.isfinite(positions).all(dim=-1)
        each = self.config.num_levels if self.config.tokens == "one_a_code" else 1
        tokens = self._embed(found.codes).masked_fill(lost.repeat_interleave(each, dim=1)[..., None], torch.nan)
        return AudioTokens(last_hidden_state=tokens, seconds=seconds.repeat_interleave(each, dim=-1), loss=loss)

    def codes(self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None) -> torch.Tensor:
        """Returns the codes (B, positions, levels) int64 of encoder output; arguments and errors as of `forward`."""
        positions, _ = self._positions(audio_hidden_states, layout)
        return self.quantizer(self._narrow(positions)).codes

    def from_codes(self, codes: torch.Tensor) -> torch.Tensor:
        """Returns the tokens (B, tokens, text_hidden_size) that `forward` makes of recordings with these codes, bit for bit.

        Args:
            codes: (B, positions, levels), whole numbers below `codebook_size`.

        Raises:
            SpatialLLMError: they have another shape, or hold other numbers.
        """
        levels, size = self.config.num_levels, self.config.codebook_size
        whole = not (codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool)
        if codes.dim() != 3 or codes.shape[-1] != levels or not whole:
            raise SpatialLLMError(
                f"codes are {codes.dtype} of shape {tuple(codes.shape)}; expected whole numbers (clips, positions, "
                f"{levels})."
            )
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < size:
            raise SpatialLLMError(f"codes go from {int(codes.min())} to {int(codes.max())}; expected 0 to {size - 1}.")
        return self._embed(codes.to(self.tables.weight.device))

    @torch.no_grad()
    def measure(self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None) -> CodebookUse:
        """Returns how codes are used on encoder output, and how much of it they keep; arguments as of `forward`."""
        positions, _ = self._positions(audio_hidden_states, layout)
        codes = self.quantizer(self._narrow(positions)).codes
        coarse = (self.quantizer.decode(codes[..., :level]) for level in range(1, self.config.num_levels + 1))
        errors = [float(relative_error(positions, self.up(each.to(self.up.weight.dtype)))) for each in coarse]
        counts = one_hot(codes, self.config.codebook_size).sum((0, 1))
        return codebook_use(counts, errors)

    def measures(self) -> dict[str, float]:
        """Returns running values of training for the metrics of a run; none before the first step."""
        seen = float(self.use.sum()) / len(self.use)
        if seen == 0:
            return {}
        found = codebook_use(self.use, [float(self.error) / seen])
        return {
            "codebook_perplexity": sum(found.perplexity) / len(self.use),
            "codebook_used": sum(found.used) / len(self.use),
            "reconstruction_error": found.errors[-1],
        }

    @torch.no_grad()
    def start(self, sample: Callable[[], torch.Tensor], scale: float, layout: TokenLayout | None = None) -> None:
        """Sets all weights from a sample; see the module and `Projector.start`. Random numbers are those of the moment.

        Raises:
            SpatialLLMError: the sample is not finite, or the scale not a positive number.
        """
        check_scale(scale)
        positions = self._positions(sample().to(self.up.weight.device), layout)[0].float().flatten(0, 1)
        if not torch.isfinite(positions).all():
            raise SpatialLLMError("audio_hidden_states holds NaN or infinity; expected finite encoder output.")
        found = min(self.config.hidden_size, *positions.shape)
        axes = torch.pca_lowrank(positions, q=found)[2]  # (pooled size, found)
        mean = positions.mean(0)
        self.down.weight[:found] = axes.T.to(self.down.weight.dtype)
        self.down.bias.copy_(-(self.down.weight.float() @ mean))
        # Axes that the sample is too small for begin unheard: what they hold is noise.
        self.up.weight.zero_()
        self.up.weight[:, :found] = axes.to(self.up.weight.dtype)
        self.up.bias.copy_(mean)
        narrow = self._narrow(positions)
        self.quantizer.start(narrow)
        self._start_tables(narrow, scale)
        codes = self.quantizer(narrow[None]).codes
        self.use.zero_()
        rebuilt = self.up(self.quantizer.decode(codes[0]).to(self.up.weight.dtype))
        self._count(codes, positions, rebuilt.float(), 1.0)

    def _start_tables(self, narrow: torch.Tensor, scale: float) -> None:
        vectors = self.quantizer.code_vectors
        image = torch.randn(vectors.shape[-1], self.tables.embedding_dim, device=vectors.device)
        rows = vectors @ image  # (levels, codes, text width)
        if self.config.tokens == "one_a_code":
            size = rows.std(dim=(1, 2), keepdim=True)
        else:
            size = (self.quantizer.decode(self.quantizer(narrow[None]).codes) @ image).std()
        self.tables.weight.copy_((rows * scale / torch.where(size > 0, size, 1.0)).flatten(0, 1))

    def _positions(self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the normalised positions (B, positions, pooled size) and their times."""
        layout = check_tokens(audio_hidden_states, layout)
        self.config.num_tokens(layout)
        positions, seconds = pooled(self.config, audio_hidden_states, layout, self.down.weight.dtype)
        return layer_norm(positions, positions.shape[-1:], eps=self.config.layer_norm_eps), seconds

    def _narrow(self, positions: torch.Tensor) -> torch.Tensor:
        """Returns what is quantised (..., hidden size), in float32: the last levels are finer than half precision."""
        device = "cpu" if positions.is_meta else positions.device.type
        with torch.autocast(device, enabled=False):
            return self.down(positions.to(self.down.weight.dtype)).float()

    def _embed(self, codes: torch.Tensor) -> torch.Tensor:
        """Returns the tokens (B, tokens, text width) of codes (B, positions, levels)."""
        first = torch.arange(self.config.num_levels, device=codes.device) * self.config.codebook_size
        rows = self.tables(codes + first)
        return rows.sum(2) if self.config.tokens == "summed" else rows.flatten(1, 2)

    def _loss(
        self, positions: torch.Tensor, vectors: torch.Tensor, codes: torch.Tensor, commitment: torch.Tensor
    ) -> torch.Tensor:
        target = positions.detach().float()
        rebuilt = self.up(vectors.to(self.up.weight.dtype)).float()
        self._count(codes, target, rebuilt.detach(), 1 - self.config.decay)
        reconstruction = mse_loss(rebuilt, target)
        return self.config.commitment_weight * commitment + self.config.reconstruction_weight * reconstruction

    @torch.no_grad()
    def _count(self, codes: torch.Tensor, positions: torch.Tensor, rebuilt: torch.Tensor, share: float) -> None:
        """Moves `use` and `error` by `share` to those of a batch, unless it holds what is not finite."""
        error = relative_error(positions, rebuilt)
        if torch.isfinite(error):
            counts = one_hot(codes, self.config.codebook_size).float().flatten(0, -3).mean(0)  # (levels, codes)
            self.use.lerp_(counts.to(self.use.dtype), share)
            self.error.lerp_(error.to(self.error.dtype), share)
