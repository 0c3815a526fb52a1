"""A residual quantiser: each code book quantises what the ones before left over (SoundStream, arXiv 2107.03312,
algorithm 1).

With the code books {0, 2, 4, 6, 8}, {0, 0.3, 0.6, 0.9}, {-0.05, 0, 0.05} and {-0.01, 0, 0.01} the number 6.85 becomes
6.0 + 0.9 - 0.05 + 0.00. The search for codes, the running means of code vectors and the replacement of dead codes are those
of vector-quantize-pytorch (extra `rvq`), which is imported when a quantiser is built. Two things are ours. Its k-means
starts all levels before training, on a sample. And a code is dead by its share of an even use, because the library's own
threshold, a number of uses a batch, would call nearly all codes dead where a batch has fewer positions than a book codes.
"""

import importlib.util
from typing import Any, NamedTuple

import torch
from torch import distributed, nn
from transformers import initialization as init

from spatial_llm.errors import SpatialLLMError

KMEANS_STEPS = 10
LIBRARY = "vector_quantize_pytorch"


class Quantized(NamedTuple):
    """The outcome of one call.

    Attributes:
        vectors: (..., width) float32, the sums of the code vectors; in training their gradient passes to the input as it is.
        codes: (..., levels) int64.
        commitment: mean squared distance of what a level got to its code vectors, summed over levels.
    """

    vectors: torch.Tensor
    codes: torch.Tensor
    commitment: torch.Tensor


class ResidualQuantizer(nn.Module):
    """Quantises vectors by `levels` code books of `size` codes.

    The code books of several processes stay equal: they follow what all processes get in a step together, and a dead code is
    replaced everywhere by the same vector, one that the first process got.

    Args:
        width: of the vectors.
        levels, size: number of code books, and of codes in each.
        learned: whether code vectors are parameters, which learn by the gradient of the commitment.
        decay: of running means and counts.
        dead_share: share of an even use below which a code is replaced; 0 replaces none.

    Raises:
        SpatialLLMError: the library is not installed.
    """

    def __init__(
        self,
        width: int,
        levels: int,
        size: int,
        learned: bool = False,
        decay: float = 0.99,
        dead_share: float = 0.1,
    ) -> None:
        super().__init__()
        self.size, self.dead_share = size, dead_share
        self.quantizer = needed_library().ResidualVQ(
            dim=width,
            num_quantizers=levels,
            codebook_size=size,
            decay=decay,
            learnable_codebook=learned,
            ema_update=not learned,
            # Some number: `_expect` sets it to the batch.
            threshold_ema_dead_code=1.0 if dead_share else 0,
            # Straight through, as SoundStream and VQ-VAE.
            rotation_trick=False,
            sync_codebook=False,
        )
        for book in self.books:
            # A flag in a tensor, which no config on the meta device can ask; k-means is `start`.
            del book._buffers["initted"]
            book.initted = True
        self.init_weights()

    @property
    def books(self) -> list[nn.Module]:
        """Returns the code books of the library, with `embed` (1, size, width) and `cluster_size` (1, size)."""
        return [level._codebook for level in self.quantizer.layers]

    @property
    def code_vectors(self) -> torch.Tensor:
        """Returns the code vectors (levels, size, width)."""
        return torch.cat([book.embed for book in self.books])

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws code vectors, each level half as large as the one before, and fills every buffer."""
        for number, (level, book) in enumerate(zip(self.quantizer.layers, self.books, strict=True)):
            init.normal_(book.embed, std=0.5**number)
            init.copy_(book.embed_avg, book.embed)
            init.ones_(book.cluster_size)
            init.zeros_(level.zero)
        init.ones_(self.quantizer.beam_score_weights)

    def forward(self, vectors: torch.Tensor, learns: bool = False) -> Quantized:
        """Quantises vectors (batch, positions, width).

        Args:
            vectors: what is quantised.
            learns: whether code books may follow the batch, and the commitment is computed; else they stay as they are, in
                whatever mode the model is.
        """
        vectors = vectors.float()
        frozen = not learns or not self._expect(vectors)
        self.quantizer.train(learns)
        found, codes, commitment = self.quantizer(vectors, freeze_codebook=frozen)
        return Quantized(found, codes, commitment.sum())

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Returns the sums of code vectors (..., width) of codes (..., levels); the first levels alone give a coarse sum."""
        books = self.code_vectors
        picked = [book[codes[..., level]] for level, book in enumerate(books[: codes.shape[-1]])]
        return torch.stack(picked).sum(0)

    def _expect(self, vectors: torch.Tensor) -> bool:
        """Prepares the code books for a batch, that of all processes: sets what the library calls dead to a share of the
        even use of its positions. Returns whether the batch is finite: other vectors would never leave the running means."""
        bad = torch.count_nonzero(~torch.isfinite(vectors).all(dim=-1))
        counts = torch.stack([bad, torch.full_like(bad, vectors.shape[:-1].numel())])
        several = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
        if several:
            distributed.all_reduce(counts)
        lost, positions = counts.tolist()
        even = positions / self.size
        for book in self.books:
            book.threshold_ema_dead_code, book.reset_cluster_size = self.dead_share * even, even
            # The library decides this when a book is built, which may be before the processes know of each other.
            if several:
                book.all_reduce_fn, book.replace_sample_fn = distributed.all_reduce, _sample_of_the_first
        return not lost

    @torch.no_grad()
    def start(self, vectors: torch.Tensor) -> None:
        """Sets the code books by k-means, level by level, with the random numbers of the moment.

        Args:
            vectors: (positions, width) of a sample; with fewer positions than codes some codes are doubled, and never used
                until training replaces them.
        """
        kmeans = importlib.import_module(f"{LIBRARY}.{LIBRARY}").kmeans
        left = vectors.float()[None]
        self.quantizer.eval()
        for level, book in zip(self.quantizer.layers, self.books, strict=True):
            means, counts = kmeans(left, self.size, KMEANS_STEPS)
            book.embed.copy_(means)
            book.cluster_size.copy_(counts)
            book.embed_avg.copy_(means * counts[..., None])
            left = left - level(left)[0]


def _sample_of_the_first(vectors: torch.Tensor, number: int) -> torch.Tensor:
    """Returns `number` of the vectors (1, positions, width) of the first process, the same ones in all processes."""
    rows = torch.randint(vectors.shape[1], (number,), device=vectors.device)
    picked = vectors[:, rows].contiguous()
    distributed.broadcast(picked, src=0)
    return picked


def needed_library() -> Any:
    """Returns the library, which is imported now.

    Raises:
        SpatialLLMError: it is not installed.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise SpatialLLMError('vector-quantize-pytorch is needed to quantise audio: pip install "spatial-llm[rvq]".')
    return importlib.import_module(LIBRARY)
