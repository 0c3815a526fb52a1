"""The late part of what a moving source sends to a listener: reflections of higher order, and the tail.

Both are computed at some places of the path, the nodes, and faded into each other by the time of emission: reflections every
IMAGE_NODE_S, the tail, which changes less, every TAIL_NODE_M of the way. The tails of all nodes share their fine structure.
A turning listener hears responses of headings TURN_NODE_DEG apart, faded into each other by the time at which they are
heard. Single reflections are wrong between two nodes (by up to their own level where they move by half a wavelength), which
is not audible in their dense sum; those that could be told apart are in `early`.
"""

from collections.abc import Iterator

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from spatial_llm.scenes.microphones import Microphone
from spatial_llm.scenes.motion.early import EARLY_ORDER
from spatial_llm.scenes.motion.travel import Way
from spatial_llm.scenes.room.arrivals import Arrivals, images, tails
from spatial_llm.scenes.scene import Listener, Room

IMAGE_NODE_S, TAIL_NODE_M, TURN_NODE_DEG = 0.1, 1.0, 4.0
Nodes = tuple[NDArray[np.float64], list[Arrivals]]  # times, and what is emitted then


def late_part(
    sound: NDArray, room: Room, way: Way, listener: Listener, microphone: Microphone, sampling_rate: int, response: int
) -> NDArray[np.float32]:
    """Returns what the microphone receives beyond `early`, (channels, samples).

    Args:
        sound: (samples,) as the source plays it.
        way: of the source.
        response: samples of a response.
    """
    channels = microphone.format.channels
    out = np.zeros((channels, len(sound)), dtype=np.float32)
    turns = _Hats(*_turn_nodes(listener))
    for times_s, arrivals in _fields(room, way, listener):
        emitted = _Hats(times_s)
        for node, each in enumerate(arrivals):
            begin, end = emitted.span(node, len(sound), sampling_rate)
            part = sound[begin:end] * emitted.weights(node, begin, end, sampling_rate)
            if len(each.gains) == 0 or not part.any():
                continue
            for turn, heading_deg in enumerate(turns.values):
                heard, until = turns.span(turn, len(sound), sampling_rate)
                heard, until = max(heard, begin), min(until, end + response - 1, len(sound))
                if until <= heard:
                    continue
                taps = microphone.receive(each.turned(heading_deg), min(response, until - begin))
                wet = _convolved(part, taps, heard - begin, until - begin)
                out[:, heard:until] += wet * turns.weights(turn, heard, until, sampling_rate)
    return out


class _Hats:
    """Weights that add up to 1 at any time: each is 1 at its node and falls to 0 at its neighbours; the first and the last
    hold on outside."""

    def __init__(self, times_s: NDArray, values: NDArray | None = None) -> None:
        self.times_s, self.values = times_s, values

    def span(self, node: int, samples: int, sampling_rate: int) -> tuple[int, int]:
        """Returns the samples outside which the weight of a node is 0: the first, and the one after the last."""
        begin = 0 if node == 0 else int(np.floor(self.times_s[node - 1] * sampling_rate))
        last = node == len(self.times_s) - 1
        end = samples if last else int(np.ceil(self.times_s[node + 1] * sampling_rate)) + 1
        return min(max(begin, 0), samples), min(end, samples)

    def weights(self, node: int, begin: int, end: int, sampling_rate: int) -> NDArray[np.float32]:
        """Returns the weight of a node at samples from `begin` to before `end`."""
        if len(self.times_s) == 1:
            return np.ones(end - begin, dtype=np.float32)
        at_nodes = np.zeros(len(self.times_s))
        at_nodes[node] = 1.0
        return np.interp(np.arange(begin, end) / sampling_rate, self.times_s, at_nodes).astype(np.float32)


def _convolved(part: NDArray, taps: NDArray, begin: int, end: int) -> NDArray[np.float32]:
    """Returns samples from `begin` to before `end` of a sound (samples,) convolved with responses (channels, taps)."""
    heard = np.flatnonzero(np.abs(taps).max(axis=0))
    if not len(heard):
        return np.zeros((len(taps), end - begin), dtype=np.float32)
    first, last = int(heard[0]), int(heard[-1]) + 1
    wet = np.zeros((len(taps), end - begin), dtype=np.float32)
    whole = scipy.signal.fftconvolve(part[None].astype(np.float32), taps[:, first:last], axes=1)
    inside = whole[:, max(begin - first, 0) : max(end - first, 0)]
    start = max(first - begin, 0)
    wet[:, start : start + inside.shape[1]] = inside[:, : wet.shape[1] - start]
    return wet


def _fields(room: Room, way: Way, listener: Listener) -> Iterator[Nodes]:
    listener_m = np.array(listener.position_m)
    if room.max_order > EARLY_ORDER:
        times_s = _node_times(way, per_second=1 / IMAGE_NODE_S)
        yield times_s, images(room, listener_m, way.at(times_s), beyond=EARLY_ORDER)
    if room.ray_tracing:
        times_s = _node_times(way, per_metre=1 / TAIL_NODE_M)
        places_m = way.at(times_s)
        yield times_s, tails(room, listener_m, places_m, [way.points_m[0]] * len(places_m))


def _node_times(way: Way, per_second: float = 0.0, per_metre: float = 0.0) -> NDArray[np.float64]:
    """Returns the times of the nodes of a path: its ends, the ends of rests, and while it moves at least so many a second
    and metre, however many waypoints it has."""
    if len(way.times_s) == 1:
        return way.times_s
    metres = np.linalg.norm(np.diff(way.points_m, axis=0), axis=1)
    steps = np.where(metres > 0, np.diff(way.times_s) * per_second + metres * per_metre, 0.0)
    done = np.append(0.0, np.cumsum(steps))
    evenly = np.linspace(0.0, done[-1], int(np.ceil(done[-1] - 1e-9)) + 1)
    rests = np.flatnonzero(metres == 0)
    ends_s = way.times_s[np.unique([0, len(way.times_s) - 1, *rests, *(rests + 1)])]
    # Nothing is done within a rest: `done` is the same at its ends, of which either is a node already.
    return np.unique(np.concatenate([ends_s, np.interp(evenly, done, way.times_s)]).round(9))


def _turn_nodes(listener: Listener) -> tuple[NDArray, NDArray]:
    """Returns times and headings at which responses are computed."""
    if not listener.turns:
        return np.zeros(1), np.array([listener.heading_deg])
    times_s, headings_deg = np.array(listener.headings).T
    found = [(times_s[:1], headings_deg[:1])]
    for index in range(len(times_s) - 1):
        count = max(1, int(np.ceil(abs(headings_deg[index + 1] - headings_deg[index]) / TURN_NODE_DEG - 1e-9)))
        found.append(tuple(np.linspace(*each[index : index + 2], count + 1)[1:] for each in (times_s, headings_deg)))
    return tuple(np.concatenate(each) for each in zip(*found, strict=True))
