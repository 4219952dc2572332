"""Contact sheets: people in rows, photographs in columns, one factor at a time if wanted.

The bytes of a sheet depend on its arguments alone. Shapes: b photographs of one person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline import records
from pipeline.records import Dataset, Sample
from pipeline.synthetic import sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.renderer import Shot, renderer
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.world import World

Image = npt.NDArray[np.uint8]
ENLARGED = 2  # with landmarks, so that dots can be told apart
SEEN, HIDDEN, FRAME = (60, 220, 60), (230, 60, 60), (240, 220, 60)
RANGES = {  # from the first to the last column
    "yaw": (-90.0, 90.0),
    "pitch": (-40.0, 40.0),
    "roll": (-30.0, 30.0),
    "age": (3.0, 82.0),
    "blur": (0.0, 2.5),
    "resolution": (1.0, 0.2),
    "noise": (0.0, 0.08),
    "exposure": (0.4, 1.5),
    "eye_open": (1.1, 0.0),
    "style": (0.0, 0.99),
}
SWITCHES = ("glasses", "sunglasses", "hat", "mask", "occluder")
EVERY = ("yaw", "pitch", "age", "expression", "light", "style", "glasses", "hat", "mask", "blur")
FACTORS = (*RANGES, *SWITCHES, "expression", "light", "every")  # every: one a row, EVERY in turn


class SheetError(ValueError):
    """A sheet that can't be drawn, and why."""


def sheet(world: World, seed: int, rows: int, columns: int, factor: str | None, landmarks: bool) -> Image:
    """`rows` people of a world in `columns` photographs each; all as they come, or with one factor varied."""
    if factor is not None and factor not in FACTORS:
        raise SheetError(f"no factor {factor!r}; there are {', '.join(FACTORS)}")
    draw, lines = renderer(world.image_size), []
    cast = draw.cast(Draws([seed_of(seed, "sheet", row) for row in range(rows)]), world)
    for row in range(rows):
        draws = Draws([seed_of(seed, "sheet", row, column) for column in range(columns)])
        who = torch.full((columns,), row)
        people = cast.people.take(who)
        photos = sampler.draw(draws, world, draw.expression_names, people.wears_glasses, people.own_age)
        if factor:
            draws = Draws([seed_of(seed, "sheet", row, 0)] * columns)  # one backdrop behind them all
            one = EVERY[row % len(EVERY)] if factor == "every" else factor
            photos = varied(photos, one, draw.expression_names)
        shots = draw.photograph(cast, who, photos, draws, world.hair_styles)
        lines.append(np.concatenate([_marked(shot) if landmarks else shot.image for shot in shots], 1))
    return np.concatenate(lines)


def varied(photos: Photos, factor: str, expressions: list[str]) -> Photos:
    """A calm photograph of the first row's day, again and again, but for one factor."""
    count = len(photos)
    zero, share = torch.zeros(count), torch.linspace(0, 1, count)
    same = {name: value[:1].expand_as(value) for name, value in vars(photos).items()}
    off = dict.fromkeys(("yaw", "pitch", "roll", *SWITCHES), zero)
    calm = sampler.clear(replace(photos, **(same | off)))
    calm = replace(
        calm, noise=zero, eye_open=zero + 1, exposure=zero + 1, saturation=zero + 1, gamma=zero + 1
    )
    at_rest = zero[:, None] * calm.expression
    at_rest[:, expressions.index("close")] = 1
    calm = replace(calm, age=zero + 30, expression=at_rest, key=zero[:, None] + torch.tensor([0.4, 0.5, 0.9]))
    if factor in RANGES:
        first, last = RANGES[factor]
        return replace(calm, **{factor: first + (last - first) * share})
    if factor in SWITCHES:
        return replace(calm, **_switched(photos, factor, (share >= 0.5).float()))
    if factor == "expression":
        return replace(calm, expression=photos.expression)
    lights: Mapping[str, Tensor] = {
        name: getattr(photos, name) for name in ("key", "key_colour", "fill", "fill_colour", "ambient")
    }
    return replace(calm, **lights)


def _switched(photos: Photos, factor: str, shown: Tensor) -> dict[str, Tensor]:
    """The thing in the second half of the columns, another in each."""
    own = {
        name: value
        for name, value in vars(photos).items()
        if name.startswith((factor, "frame", "brim", "hat_"))
    }
    if factor == "sunglasses":
        own["glasses"] = shown
    return own | {factor: shown}


def of_dataset(folder: Path, rows: int, columns: int, landmarks: bool, raw: Path | None = None) -> Image:
    """Faces of an ingested dataset: an identity a row as far as it has them, else as they come.

    `raw` is where its raw files lie, which its rows may point into.
    """
    if not folder.is_dir():
        raise SheetError(f"{folder} is missing: ingest the dataset first (dvc repro)")
    dataset, people = Dataset(folder, raw), dict[str, list[Sample]]()
    for sample in dataset.samples():
        line = people.setdefault(
            sample.identity or f"#{len(people) - 1 if _open(people, columns) else len(people)}", []
        )
        if len(line) < columns:
            line.append(sample)
        if len(people) > rows:
            break
    lines = [_line(line, columns, landmarks) for line in list(people.values())[:rows]]
    return np.concatenate(lines)


def _open(people: dict[str, list[Sample]], columns: int) -> bool:
    """Whether the last row, of unknown people, still has room."""
    last = next(reversed(people), None)
    return last is not None and last.startswith("#") and len(people[last]) < columns


def _line(samples: list[Sample], columns: int, landmarks: bool) -> Image:
    side = 128
    cells = []
    for sample in samples:
        shot = Shot(
            records.decode(sample.image),
            list(sample.box or []),
            list(sample.points5 or []),
            list(sample.points68 or []),
            list(sample.visible68 or [True] * 68),
        )
        picture = _marked(shot) if landmarks else shot.image
        cells.append(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))
    cells += [np.zeros((side, side, 3), np.uint8)] * (columns - len(cells))
    return np.asarray(np.concatenate(cells, 1), np.uint8)


def _marked(shot: Shot) -> Image:
    """The picture enlarged, with its box and landmarks: green if they are seen, red if not."""
    picture = cv2.resize(shot.image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)

    def spot(x: float, y: float) -> tuple[int, int]:
        return round((x + 0.5) * ENLARGED), round((y + 0.5) * ENLARGED)

    if shot.box:
        x, y, width, height = shot.box
        cv2.rectangle(picture, spot(x, y), spot(x + width, y + height), FRAME, 1)
    points = shot.points68 or shot.points5
    for (x, y), seen in zip(np.reshape(points, (-1, 2)), shot.visible68, strict=False):
        cv2.circle(picture, spot(x, y), 1, SEEN if seen else HIDDEN, -1, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def write(image: Image, path: Path) -> None:
    """PNG as small as it gets, or JPEG, by the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if path.suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise SheetError(f"{path} can't be written as an image")
    path.write_bytes(data.tobytes())
