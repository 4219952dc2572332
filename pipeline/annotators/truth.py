"""What the source knows: age in years, gender, race and the angles of the head, taken as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.annotators import ANGLES, UNKNOWN, Photos, age_group, angle_bin, answer
from pipeline.strict import Strict


class Params(Strict):
    """Nothing to choose."""


class Truth:
    """Columns age, gender, race, yaw, pitch, roll; confidence 1 where known."""

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame:
        degrees = {name: frame[name].to_numpy(np.float32, na_value=np.nan) for name in ANGLES}
        codes = {name: frame[name].fillna(UNKNOWN).to_numpy(np.int8) for name in ("gender", "race")}
        codes["age_group"] = age_group(frame["age"].to_numpy(np.float32, na_value=np.nan))
        codes |= {name: angle_bin(degrees[name]) for name in ("pitch", "yaw")}
        sure = np.ones(len(frame), np.float32)
        return answer(codes, dict.fromkeys(codes, sure), degrees, frame.index)


def build(params: Params) -> Truth:
    return Truth()
