"""Base of every schema: unknown keys are errors, values can't change; shared types. Light to import."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def inside(path: str) -> str:
    """`path`, if it stays in the folder that it is relative to: what lies outside is no declared input."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path} must lie inside data/raw/<dataset>: put the file, or a link to it, there")
    return path


Inside = Annotated[str, AfterValidator(inside)]
"""A file of a dataset, by its path in data/raw/<dataset>."""


class Strict(BaseModel):
    """Base of every plugin's `Params`: unknown keys are errors, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
