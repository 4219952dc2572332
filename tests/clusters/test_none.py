"""No clustering loss: there is nothing to train."""

import pytest

from pipeline.clusters import none


def test_builds_nothing_and_takes_no_params():
    assert none.build(none.Params(), 0, 0, 1, 0) is None
    with pytest.raises(ValueError, match="classes"):
        none.Params(classes=3)
