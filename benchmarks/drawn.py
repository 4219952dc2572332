"""Synthetic photographs and their crops in a folder, drawn once: for measurements that train on them.

    folder / <what was drawn, with a digest of the renderer's source> / dataset of `pipeline.records`

A second run finds them there. `clean` photographs are the same people in the same pictures without occluders,
masks, blur and low resolution: every other number of theirs is drawn as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pipeline import files, records
from pipeline import synthetic as package
from pipeline.crops import Cropper, SetAside
from pipeline.crops import crops as cropped
from pipeline.detectors.source import SourceDetector
from pipeline.synthetic.part import Studio
from pipeline.synthetic.world import PARTS, Part, Sizes, World

CLEAN = {"occlusion": 0.0, "masks": 0.0, "blur": 0.0, "low_resolution": 0.0}
CROPS = {"aligned": ("aligned", 0.0), "loose": ("unaligned", 0.3)}  # as the presets of params.yaml
SIZE = 64  # pixels of a crop; those of a photograph are the world's, 96


@cache
def renderer_digest() -> str:
    """Of the renderer's files: photographs of another renderer are others."""
    files_ = sorted(Path(package.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files_)).hexdigest()[:8]


def photographs(
    folder: Path,
    seed: int,
    people: int,
    images: int,
    part: Part = "labelled",
    clean: bool = False,
    races: Mapping[str, float] | None = None,
) -> Path:
    """The dataset of the first `people` of a part, `images` photographs each; drawn if it is not there.

    `races`: shares of the groups, summing to one, even ones without.
    """
    mix = "".join(f"-{name}{share:g}" for name, share in (races or {}).items())
    what = f"world{seed}-{part}-{people}x{images}{'-clean' if clean else ''}{mix}-{renderer_digest()}"
    place = folder / what
    if not place.exists():
        size = {"identities": people, "images": images}
        mixed = {"race": dict(races)} if races else {}
        world = World.model_validate({**(CLEAN if clean else {}), **mixed})
        studio = Studio(seed, part, world, world, Sizes.model_validate(dict.fromkeys(PARTS, size)))
        with files.writing_dir(place) as aside:
            writer = records.Writer(aside)
            for sample in studio.samples():
                writer.add(sample)
            writer.close({"drawn": what})
    return place


def crops(folder: Path, photographs: Path, crop: str) -> Path:
    """The dataset of their crops, in the same order; `crop` is a name of `CROPS`."""
    place = folder / f"{photographs.name}-{crop}{SIZE}"
    if not place.exists():
        method, margin = CROPS[crop]

        def make() -> Cropper:
            return Cropper(SourceDetector(), method, SIZE, margin)

        with files.writing_dir(place) as aside:
            writer = records.Writer(aside)
            for batch in cropped(records.Dataset(photographs), make, workers=1):
                for face in batch:
                    if isinstance(face, SetAside):
                        writer.skip(face.sample_id, face.reason)
                    else:
                        writer.add(face)
            writer.close({"cropped": place.name})
    return place
