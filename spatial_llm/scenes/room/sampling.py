"""Random shoebox rooms, each with a listener and source positions, drawn from ranges."""

from dataclasses import asdict, dataclass, fields

import numpy as np

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.scene import Listener, Room

Range = tuple[float, float]

TRIES = 40
DIGITS = 4  # positions are drawn to 0.1 mm, as they are written down: what is read back gives the same response


@dataclass
class RoomConfig:
    """The ranges (lowest, highest) from which rooms and positions are drawn, and how the rooms are simulated.

    With `ray_tracing`, images carry the early part and rays the full tail. Without it, a response ends with its image
    sources, which is honest only as long as those left out are inaudible: the reverberation time (T20) of order 12 falls
    short of that of order 30 by less than 1 % at absorption 0.7, 5 % at 0.5 and 20 % at 0.4; less absorption needs rays.
    """

    positions_per_room: int = 12  # all heard by one listener, who does not move
    length_m: Range = (4.5, 9.0)
    width_m: Range = (4.0, 8.0)
    height_m: Range = (2.6, 3.6)
    absorption: Range = (0.4, 0.7)  # share of the energy that a wall takes, one value for all walls of a room
    target_rt60_s: Range | None = None  # in place of absorption: the reverberation time from which it follows
    scattering: float = 0.1  # share of the reflected energy that leaves a wall diffusely; only with ray_tracing
    ear_height_m: Range = (1.2, 1.8)
    distance_m: Range = (0.5, 4.0)
    elevation_deg: Range = (-40.0, 40.0)
    axis_margin_deg: float = 0.0  # sources keep this angle from the three planes where a direction word changes
    wall_margin_m: float = 0.25  # sources keep this distance from the walls, the listener twice as much
    max_order: int = 6
    ray_tracing: bool = True
    duration_s: float = 1.0
    sampling_rate: int = 32000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in (Range, Range | None) and value is not None:
                value = tuple(float(end) for end in value)
                setattr(self, field.name, value)
                if len(value) != 2 or not np.isfinite(value).all() or value[0] > value[1]:
                    raise SceneError(f"{field.name} is {value}; give a range [lowest, highest].")
        positive = ("positions_per_room", "duration_s", "sampling_rate")
        if (
            not all(0 < getattr(self, name) < np.inf for name in positive)
            or self.max_order < 0
            or not 0 <= self.scattering <= 1
        ):
            raise SceneError(
                f"{', '.join(positive)} must be positive, max_order 0 or more, scattering 0 to 1; given {asdict(self)}."
            )
        sizes = (self.length_m, self.width_m, self.height_m, self.ear_height_m)
        if min(low for low, _ in sizes) <= 0 or self.wall_margin_m < 0:
            raise SceneError(
                f"length_m, width_m, height_m and ear_height_m are {sizes}, wall_margin_m {self.wall_margin_m}; give metres "
                "above 0, and a margin of 0 or more."
            )
        if self.elevation_deg[0] < -90 or self.elevation_deg[1] > 90:
            raise SceneError(f"elevation_deg is {self.elevation_deg}; give degrees from -90 to 90.")
        if self.absorption[0] <= 0.0 or self.absorption[1] > 1.0:
            raise SceneError(f"absorption is {self.absorption}; give shares of energy above 0 and at most 1.")
        if self.target_rt60_s is not None and self.target_rt60_s[0] <= 0:
            raise SceneError(f"target_rt60_s is {self.target_rt60_s}; give seconds above 0.")
        if self.distance_m[0] < 0.25:
            raise SceneError(f"distance_m starts at {self.distance_m[0]}; the head was measured from afar: 0.25 up.")
        if not 0 <= self.wall_margin_m < np.inf or max(map(abs, self.elevation_deg)) > 90:
            raise SceneError(
                f"wall_margin_m is {self.wall_margin_m}, elevation_deg {self.elevation_deg}; give 0 m or more, and "
                "-90 to 90 degrees."
            )
        if not 0 <= self.axis_margin_deg <= 30:
            raise SceneError(f"axis_margin_deg is {self.axis_margin_deg}; give 0 to 30, beyond that none is left.")


@dataclass(frozen=True, eq=False)
class RoomDraw:
    """One drawn room, its listener, and the positions of its sources (positions, xyz) in the room's frame."""

    room: Room
    listener: Listener
    positions_m: np.ndarray


def draw_room(config: RoomConfig, bank: str, index: int, seed: int) -> RoomDraw:
    """Returns room number `index` of the bank of that name; depends on nothing but these arguments. Banks share no room.

    Raises:
        SceneError: no such source fits into such a room.
    """
    rng = np.random.default_rng([seed, index, *bank.encode()])
    for _ in range(TRIES):
        size = np.array([rng.uniform(*side) for side in (config.length_m, config.width_m, config.height_m)])
        margin = 2 * config.wall_margin_m
        if np.any(size[:2] <= 2 * margin):
            continue
        listener = np.append(rng.uniform(margin, size[:2] - margin), rng.uniform(*config.ear_height_m))
        heading_deg = rng.uniform(-180.0, 180.0)
        size, listener, heading_deg = size.round(DIGITS), listener.round(DIGITS), round(heading_deg, DIGITS)
        sources = [_draw_source(config, rng, size, listener, heading_deg) for _ in range(config.positions_per_room)]
        if all(source is not None for source in sources) and listener[2] < size[2] - config.wall_margin_m:
            target = config.target_rt60_s
            room = Room(
                id=f"{bank}-{index:05d}",
                size_m=tuple(size.tolist()),
                absorption=None if target else round(rng.uniform(*config.absorption), DIGITS),
                target_rt60_s=round(rng.uniform(*target), DIGITS) if target else None,
                scattering=config.scattering,
                max_order=config.max_order,
                ray_tracing=config.ray_tracing,
                response_s=config.duration_s,
            )
            return RoomDraw(room, Listener(tuple(listener.tolist()), heading_deg), np.array(sources).round(DIGITS))
    raise SceneError(
        f"no source fits into room {index} of bank {bank!r} in {TRIES} tries: rooms of {config.length_m} x "
        f"{config.width_m} x {config.height_m} m, distance {config.distance_m} m, elevation {config.elevation_deg} "
        "degrees. Widen the rooms or lower the distance."
    )


def _draw_source(
    config: RoomConfig, rng: np.random.Generator, size: np.ndarray, listener: np.ndarray, heading_deg: float
) -> np.ndarray | None:
    # The distance is drawn first and kept as long as some direction has room for it: drawing all three at once would
    # favour near sources. Azimuth is uniform because headings are.
    for _ in range(8):
        distance_m = rng.uniform(*config.distance_m)
        for _ in range(50):
            azimuth_deg, elevation_deg = rng.uniform(-180.0, 180.0), rng.uniform(*config.elevation_deg)
            offset = direction_to_vector(azimuth_deg, elevation_deg, distance_m)
            if np.abs(offset).min() < distance_m * np.sin(np.deg2rad(config.axis_margin_deg)):
                continue
            source = listener + direction_to_vector(azimuth_deg + heading_deg, elevation_deg, distance_m)
            if np.all(source > config.wall_margin_m) and np.all(source < size - config.wall_margin_m):
                return source
    return None
