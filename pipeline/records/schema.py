"""Columns of a dataset's tables."""

from __future__ import annotations

import pyarrow as pa

from pipeline.records.places import PROBE

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("identity", pa.string()),  # null: nobody knows who this is
        pa.field("name", pa.string()),  # the person's name in the world, for overlap by name
        pa.field("image", pa.binary(), nullable=False),  # encoded: JPEG, PNG ...
        pa.field("box", pa.list_(pa.float32(), 4)),  # x, y, width, height
        pa.field("points5", pa.list_(pa.float32(), 10)),  # x, y of eyes, nose, mouth corners
        pa.field("points68", pa.list_(pa.float32(), 136)),  # x, y in the iBUG order
        pa.field("age", pa.float32()),  # years
        pa.field("gender", pa.int8()),  # 0 female, 1 male
        pa.field("race", pa.int8()),  # 0..4, see annotators
        pa.field("yaw", pa.float32()),  # degrees, positive: the face looks to image right
        pa.field("pitch", pa.float32()),  # degrees, positive: up
        pa.field("roll", pa.float32()),  # degrees, positive: clockwise in the image
        pa.field("visible68", pa.list_(pa.bool_(), 68)),  # which of the 68 points nothing hides
    ]
)
TEXT = pa.string()
IMAGE = SCHEMA.get_field_index("image")
PLACE = {"file": TEXT, "offset": pa.int64(), "length": pa.int64(), "mark": pa.binary(2 * PROBE)}
OPTIONAL = SCHEMA.names[IMAGE + 1 :]
PLACED = pa.schema([*SCHEMA.set(IMAGE, SCHEMA.field(IMAGE).with_nullable(True)), *PLACE.items()])


def _full(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    """Columns without nulls."""
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


PAIRS = _full(("protocol", TEXT), ("fold", pa.int16()), ("a", TEXT), ("b", TEXT), ("same", pa.bool_()))
# What templates are made of, a row an image. Images of one medium are frames of one video.
TEMPLATES = _full(("template", TEXT), ("identity", TEXT), ("sample_id", TEXT), ("media", TEXT))
TEMPLATE_PAIRS = PAIRS  # of templates; a list without folds has one, 0
# 1:N. Roles: gallery, distractor (in the gallery, nobody's mate); of probes: mated, unmated.
SEARCHES = _full(("protocol", TEXT), ("role", TEXT), ("template", TEXT))
# Faces whose every pair is compared, in splits. Roles: gallery and probe of the split's open set.
SPLITS = _full(
    ("protocol", TEXT), ("split", pa.int16()), ("role", TEXT), ("identity", TEXT), ("sample_id", TEXT)
)
LISTS = {
    "templates": TEMPLATES,
    "template_pairs": TEMPLATE_PAIRS,
    "searches": SEARCHES,
    "splits": SPLITS,
}
# Where the crops lie in the photos that they were cut from: the 2 x 3 numbers map a photo to its crop.
ORIGINS_FILE = "origins.parquet"
ORIGINS = _full(("sample_id", TEXT), ("photo", TEXT), ("matrix", pa.list_(pa.float64(), 6)))
SET_ASIDE = pa.schema([pa.field("sample_id", pa.string()), pa.field("reason", pa.string())])
