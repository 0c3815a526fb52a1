"""The fusions by type: one line each, which configs and recipes read."""

from spatial_llm.fusion.base import Fusion
from spatial_llm.fusion.delayed import Delayed
from spatial_llm.fusion.gated_cross_attention import GatedCrossAttention
from spatial_llm.fusion.hybrid import Hybrid
from spatial_llm.fusion.lal import Lal
from spatial_llm.fusion.per_encoder import PerEncoder
from spatial_llm.fusion.prefix import Prefix

FUSIONS: dict[str, type[Fusion]] = {
    fusion.name: fusion for fusion in (Prefix, Delayed, Lal, Hybrid, PerEncoder, GatedCrossAttention)
}
