"""Synthetic faces a CPU-second and a second, people included, and where the time goes.

    python -m benchmarks.synthetic [--faces 100] [--people 5] [--rounds 3]

Crops of 64 and 112 px come from photographs of 96 and 168 px; the best of the rounds is told. Aim: 150 and
100 faces a CPU-second on an idle machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch

from pipeline import records
from pipeline.synthetic import degrade, figure, look, raster, shade, surfaces
from pipeline.synthetic.part import Studio
from pipeline.synthetic.renderer import Renderer
from pipeline.synthetic.world import PARTS, Sizes, World

CROPS = {64: (96, 150), 112: (168, 100)}  # pixels of the crop: pixels of the photograph, aim
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
    return islice(Studio(seed, "labelled", World(size=size), World(size=size), sizes).samples(), faces)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for crop, (size, aim) in CROPS.items():
        list(photographs(size, 1, 2, 99))  # the tables
        best = wall = 0.0
        for seed in range(args.rounds):
            cpu, clock = time.process_time(), time.perf_counter()
            count = len(list(photographs(size, args.people, args.faces, seed)))
            best = max(best, count / (time.process_time() - cpu))
            wall = max(wall, count / (time.perf_counter() - clock))
        print(f"{crop} px: {best:.0f} faces a CPU-second, {wall:.0f} a second in one process (aim {aim})")
    spent = dict.fromkeys(SHARES, 0.0)
    for share, functions in SHARES.items():
        for owner, name in functions:
            setattr(owner, name, timed(spent, share, getattr(owner, name)))
    for crop, (size, _) in CROPS.items():
        spent.update(dict.fromkeys(SHARES, 0.0))
        start = time.process_time()
        list(photographs(size, args.people, args.faces, 7))
        total = time.process_time() - start
        parts = {**spent, "rest": total - sum(spent.values())}
        print(f"{crop} px: " + ", ".join(f"{share} {value / total:.0%}" for share, value in parts.items()))


if __name__ == "__main__":
    main()
