"""People of LFW-a under false names, found by a foreign net: with other photographs, and with copies."""

from pathlib import Path

import pytest

from benchmarks import overlap_found

SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent"),
]
PLANTED, STRANGERS, RATE = 40, 160, 1e-5


@pytest.fixture(scope="module")
def told():
    return overlap_found.lfw(SHARED, [RATE], PLANTED, STRANGERS)


def test_copied_people_are_found_and_their_images_too(told):
    copied = told[True, RATE]
    assert copied["found"] == PLANTED
    assert copied["copies"] >= 0.95 * copied["benchmark"]
    assert copied["lost"] <= 3  # LFW has some people under two names


def test_people_are_found_by_other_photographs(told):
    other = told[False, RATE]
    assert other["found"] >= 0.85 * PLANTED
    assert other["lost"] <= 3  # LFW has some people under two names
    assert other["expected"] < 0.5
