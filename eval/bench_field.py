"""Measures the cues of the sound field, 10 s of four channels: as quadratic forms against the map that is written out.

    make bench        or        python eval/bench_field.py [--repeats 5] [--out bench_field.json]

The other side computes the likeness of every frame with the plane waves from all directions of the grid, then its harmonics
(see `audio.cues.field`). Both give the same numbers, which is checked first, and run alternately with one thread. The time
of ours stands beside that of the cues of two ears.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from tqdm import tqdm

from spatial_llm.audio.cues import DSPAST_CUES, FIELD_CUES, FrontEnd, binaural_cues
from spatial_llm.audio.cues.field import MAP, QUIET, SMALL, field_cues, field_matrices, harmonics
from spatial_llm.audio.directions import direction_grid, rings_for
from spatial_llm.audio.formats import Ambisonics, Array, AudioFormat
from spatial_llm.audio.spectral import frame, mel_projection, spectrum
from spatial_llm.audio.steering import steering
from spatial_llm.door import door
from spatial_llm.files import write_json
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments

FRONT = FrontEnd(32_000, 1024, 320, 128, 50.0, 14_000.0)
SIDE = 0.042 / 3**0.5
TETRAHEDRON = Array(tuple((SIDE * x, SIDE * y, SIDE * x * y) for x in (1.0, -1.0) for y in (1.0, -1.0)))
ROWS = 50  # frames of the other side that are computed together: all would take gigabytes


@dataclass
class Arguments:
    """Sets how often to measure, and where to write."""

    repeats: Count = 5
    out: str = "bench_field.json"
    seed: Seed = 0


def written_out(waveform: torch.Tensor, format: AudioFormat) -> torch.Tensor:
    """Returns the harmonics of the map, (1, 15, frames, mel bins), by way of the map."""
    directions, weights = direction_grid(rings_for(format, FRONT.f_max))
    project, matrices = mel_projection(*FRONT.mel), field_matrices(format, FRONT, steering)
    first, last = project.support
    frequencies = torch.arange(first, last) * FRONT.sampling_rate / FRONT.n_fft
    vectors = torch.tensor(steering(format, directions, frequencies.numpy())).to(torch.complex64)
    white = matrices.whitening[first:last] @ vectors
    white = white / torch.linalg.vector_norm(white, dim=1, keepdim=True)
    wanted = torch.from_numpy(harmonics(directions)[:, 1:] * weights[:, None]).float()
    parts = []
    for block in frame(waveform[0], FRONT.n_fft, FRONT.hop_length).split(ROWS, dim=1):
        heard = spectrum(block)[..., first:last].permute(2, 1, 0) @ matrices.whitening[first:last].mT  # (bins, rows, C)
        likeness = torch.view_as_real(heard @ white.conj()).square().sum(-1)  # times |x'|^2: (bins, rows, Q)
        power = torch.view_as_real(heard).square().sum((-1, -2))
        shares = project((likeness @ wanted).permute(2, 1, 0).contiguous(), first)
        total = project(power.T.contiguous(), first)
        parts.append(torch.where(total > QUIET, shares / total.clamp(min=QUIET), 0.0))
    degrees = torch.tensor([1] * 3 + [2] * 5 + [3] * 7) - 1
    units = (matrices.known / (matrices.known.square() + SMALL**2))[degrees]
    return (torch.cat(parts, dim=1) * units[:, None])[None]


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@torch.inference_mode()
def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    waveform, results = 0.1 * torch.randn(1, 4, 320_000), {}
    for name, format in (("first-order ambisonics", Ambisonics(1)), ("open tetrahedron", TETRAHEDRON)):
        sides = {
            "map": lambda format=format: field_cues(waveform, format, MAP, FRONT, steering),
            "written_out": lambda format=format: written_out(waveform, format),
            "all_planes": lambda format=format: field_cues(waveform, format, FIELD_CUES, FRONT, steering),
            "two_ears": lambda: binaural_cues(waveform[:, :2], DSPAST_CUES, FRONT),
        }
        torch.testing.assert_close(sides["map"](), sides["written_out"](), rtol=1e-2, atol=5e-3)  # also the warm-up
        rows = [{side: seconds(run) for side, run in sides.items()} for _ in tqdm(range(arguments.repeats), desc=name)]
        results[name] = {side: round(1e3 * statistics.median(row[side] for row in rows), 1) for side in sides}
        results[name]["ratio_median"] = round(statistics.median(row["written_out"] / row["map"] for row in rows), 2)
    write_json(arguments.out, {"results": results, **provenance(arguments.seed)})
    for name, each in results.items():
        beside = f"{each['two_ears']:.0f} ms for the cues of two ears"
        print(f"{name}, 10 s on one core: {each['all_planes']:.0f} ms for all planes, {beside};")
        print(f"    {each['ratio_median']} x faster than the map written out ({each['written_out']:.0f} ms)")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(Arguments, description=__doc__))
