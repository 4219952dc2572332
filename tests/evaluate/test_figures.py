"""Pictures of searches and of errors over bins: what is drawn, and the same bytes for the same numbers."""

import matplotlib.figure
import pytest

from pipeline.evaluate import figures

CURVE = {"at": [1, 5, 10], "share": [0.5, 0.7, 0.9], "low": [0.4, None, 0.8], "high": [0.6, None, 0.95]}
ROW = {"fnmr": 0.2, "fnmr_low": 0.1, "fnmr_high": 0.4}
EMPTY = {"fnmr": None, "fnmr_low": None, "fnmr_high": None}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are written."""
    found, save = [], matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda self, *a, **k: (found.append(self), save(self, *a, **k))
    )
    return found


def test_a_cmc_has_a_panel_a_kind_and_a_band(tmp_path, drawn):
    found = {"ijb": {"in_gallery": {"a": CURVE, "b": CURVE}, "among_distractors": {"far": CURVE}}}
    figures.cmc(found, tmp_path / "one.png")
    figures.cmc(found, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    first, second = drawn[0].axes
    assert (len(first.lines), len(first.collections), len(second.lines)) == (2, 2, 1)
    assert list(first.lines[0].get_ydata()) == CURVE["share"]
    assert "distractors" in second.get_xlabel()
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["1", "5", "10"]


def test_marks_stand_at_round_places():
    assert figures.round_places([10, 1000, 20, 10, 37]) == [10, 20, 1000]
    assert figures.round_places([1, 2, 3, 12, 15, 30]) == [1, 2, 30]


def test_errors_over_bins_leave_out_what_has_no_genuine_pair(tmp_path, drawn):
    known = {
        "attributes": {},
        "yaw_apart": {"0..30": ROW, "30..60": EMPTY, "60..90": ROW},
        "age_gap": {"0..5": ROW},
    }
    figures.errors({"test": known, "other": {"note": "no list of pairs"}}, tmp_path / "errors.png")
    (figure,) = drawn
    yaw, age, sharp = figure.axes
    assert [each.get_text() for each in yaw.get_xticklabels()] == ["0..30", "60..90"]
    assert list(yaw.lines[-1].get_ydata()) == [0.2, 0.2]
    assert list(yaw.lines[0].get_ydata()) == [0.1, 0.4]
    assert len(age.lines) == 2
    assert not sharp.axison
