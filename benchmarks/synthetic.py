"""Synthetic faces a CPU-second and a second, people included, and where the time goes.

    python -m benchmarks.synthetic [--faces 100] [--people 5] [--rounds 5] [--processes 2]

Crops of 64 and 112 px come from photographs of 96 and 168 px; the median of the rounds is told, and the
fastest and slowest. Aim: 300 and 200 faces a second by two processes on an idle machine of two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from itertools import islice
from statistics import median
from threading import Barrier
from typing import Any

import torch

from pipeline import records
from pipeline.synthetic import degrade, figure, look, raster, shade, surfaces
from pipeline.synthetic.part import Studio
from pipeline.synthetic.renderer import Renderer
from pipeline.synthetic.world import PARTS, Sizes, World

CROPS = {64: (96, 300), 112: (168, 200)}  # pixels of the crop: pixels of the photograph, aim
SHARES = {
    "people": [(Renderer, "cast")],
    "geometry": [(look, "of"), (figure, "draw")],
    "raster": [(figure, "rasterise"), (surfaces, "normals"), (raster, "fragments")],
    "shading": [(shade, "shade")],
    "degrading": [(degrade, "backdrop"), (degrade, "develop"), (degrade, "occlude")],
    "encoding": [(records, "encode")],
}


def timed(spent: dict[str, float], share: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent[share] += time.process_time() - start

    return call


def photographs(size: int, people: int, faces: int, seed: int):
    part = {"identities": people + 1, "images": -(-faces // people)}
    sizes = Sizes.model_validate(dict.fromkeys(PARTS, part))
    return islice(
        Studio(seed, "labelled", World(image_size=size), World(image_size=size), sizes).samples(), faces
    )


def drawing(size: int, people: int, faces: int, seed: int, together: Barrier) -> tuple[float, float]:
    """Processor and wall seconds of one process that begins when the others do."""
    torch.set_num_threads(1)
    list(photographs(size, 1, 2, 99))  # the tables
    together.wait()
    cpu, clock = time.process_time(), time.perf_counter()
    list(photographs(size, people, faces, seed))
    return time.process_time() - cpu, time.perf_counter() - clock


def rates(size: int, args: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Of each round: faces a processor second, and faces a second of all processes together."""
    found: tuple[list[float], list[float]] = [], []
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(args.processes) as pool:
        for turn in range(args.rounds):
            together = manager.Barrier(args.processes)
            seeds = range(turn * args.processes, (turn + 1) * args.processes)
            took = pool.starmap(
                drawing, [(size, args.people, args.faces, seed, together) for seed in seeds], chunksize=1
            )
            drawn, wall = args.faces * args.processes, max(wall for _, wall in took)
            found[0].append(drawn / sum(cpu for cpu, _ in took))
            found[1].append(drawn / wall)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=100, help="a round and process")
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for crop, (size, aim) in CROPS.items():
        for what, values in zip(("a processor second", "a second"), rates(size, args), strict=True):
            spread = f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
            print(f"{crop} px, {args.processes} processes: {spread} faces {what}")
        print(f"  aim: {aim} a second by two processes")
    spent = dict.fromkeys(SHARES, 0.0)
    for share, functions in SHARES.items():
        for owner, name in functions:
            setattr(owner, name, timed(spent, share, getattr(owner, name)))
    for crop, (size, _) in CROPS.items():
        list(photographs(size, 1, 2, 99))  # this process has drawn nothing yet
        spent.update(dict.fromkeys(SHARES, 0.0))
        start = time.process_time()
        list(photographs(size, args.people, args.faces, 7))
        total = time.process_time() - start
        parts = {**spent, "rest": total - sum(spent.values())}
        print(f"{crop} px: " + ", ".join(f"{share} {value / total:.0%}" for share, value in parts.items()))


if __name__ == "__main__":
    main()
