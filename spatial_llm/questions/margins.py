"""Defines what counts as ambiguous: how far from a border a scene must be before a question is written about it."""

from dataclasses import dataclass, fields
from itertools import pairwise

from spatial_llm.errors import SceneError


@dataclass
class Margins:
    """Holds the margins of all families. Raises SceneError if they leave nothing to ask."""

    axis_margin_deg: float = 10.0  # a direction word is clear this far from the plane where it changes
    distance_margin_m: float = 0.5  # "nearer" is clear from this difference on
    relation_margin_m: float = 0.3  # "left of" on one side of the listener is clear from this difference on
    zenith_margin_deg: float = 30.0  # a source this close to straight up or down has no clear azimuth
    clock_margin_deg: float = 5.0  # an hour is clear this far from the half hours beside it
    onset_margin_s: float = 0.3  # "first" is clear from this difference of onsets on; so is an overlap or a gap this long
    shortest_s: float = 0.2  # no question asks for the length or the span of a shorter sound
    rt60_bands_s: tuple[float, ...] = (0.3, 0.6)  # borders between the bands of reverberation time
    rt60_margin: float = 0.1  # a band is clear at this distance from its border, as a share of the border
    dry_below_s: float = 0.3
    reverberant_above_s: float = 0.6
    small_below_m3: float = 75.0
    large_above_m3: float = 150.0

    def __post_init__(self) -> None:
        self.rt60_bands_s = tuple(float(border) for border in self.rt60_bands_s)
        for field in fields(Margins):
            value = getattr(self, field.name)
            if field.name != "rt60_bands_s" and not value >= 0:
                raise SceneError(f"{field.name} is {value}; give 0 or more.")
        bands = self.rt60_bands_s
        if not bands or bands[0] <= 0 or any(low >= high for low, high in pairwise(bands)):
            raise SceneError(f"rt60_bands_s is {bands}; give borders in seconds, above 0 and rising.")
        if self.dry_below_s > self.reverberant_above_s or self.small_below_m3 > self.large_above_m3:
            raise SceneError(
                f"dry_below_s {self.dry_below_s}, reverberant_above_s {self.reverberant_above_s}, small_below_m3 "
                f"{self.small_below_m3}, large_above_m3 {self.large_above_m3}: below may not be more than above."
            )
        if self.clock_margin_deg >= 15 or self.zenith_margin_deg >= 90 or self.axis_margin_deg >= 90:
            raise SceneError(
                f"clock_margin_deg {self.clock_margin_deg}, zenith_margin_deg {self.zenith_margin_deg}, axis_margin_deg "
                f"{self.axis_margin_deg}: these leave nothing to ask; give clock_margin_deg below 15, the others below 90."
            )
