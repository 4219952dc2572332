"""Base of every schema: unknown keys are errors, values can't change. Light to import."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Base of every plugin's `Params`: unknown keys are errors, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
