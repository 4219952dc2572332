"""The splits protocol against loops over pairs and probes; what it makes of absent faces and wrong rows."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import records
from pipeline.protocols import blufr
from tests.protocols.worlds import bench, best_rate

PEOPLE, EACH, D = 12, 4, 6


class Faces:
    """EACH photographs of PEOPLE people, and splits of them: two thirds of the people, a third enrolled."""

    def __init__(self, seed=0, splits=4):
        rng = np.random.default_rng(seed)
        self.faces = [f"p{person}/{k}" for person in range(PEOPLE) for k in range(EACH)]
        mean = np.repeat(rng.normal(size=(PEOPLE, D)), EACH, 0)
        plain = mean + rng.normal(size=mean.shape)
        self.embeddings = np.stack([plain, plain + 0.3 * rng.normal(size=mean.shape)], 1).astype(np.float32)
        self.rows, self.aside = [], []
        for split in range(splits):
            chosen = rng.permutation(PEOPLE)[:8]
            for person in chosen:
                for k in rng.permutation(EACH):
                    role = "gallery" if person in chosen[:3] and k == 1 else "probe"
                    self.rows.append(("lfw", split, role, f"p{person}", f"p{person}/{k}"))

    def lose(self, face):
        place = self.faces.index(face)
        del self.faces[place]
        self.embeddings = np.delete(self.embeddings, place, 0)
        self.aside.append((face, "truncated"))

    def lists(self):
        frame = pd.DataFrame(self.rows, columns=records.SPLITS.names)
        table = pa.Table.from_pandas(frame, records.SPLITS, preserve_index=False)
        return {"splits": table} if self.rows else {}

    def frame(self, columns):
        return pd.DataFrame({"sample_id": self.faces})

    def set_aside(self):
        return pd.DataFrame(self.aside, columns=["sample_id", "reason"])


def outcome(world, **params):
    built = blufr.build(blufr.Params(**{"fars": [0.1, 0.02, 1e-4], "fpirs": [0.3, 0.1], **params}))
    result = built.evaluate(bench(one=world))
    json.dumps(result.metrics, allow_nan=False)
    return result, result.metrics["benchmarks"]["one"]["lists"]["lfw"]


def slow(world, far, fpir, rank):
    """(TAR, TPIR) of each split, by loops over the definition."""
    unit = {}
    for face, (plain, mirrored) in zip(world.faces, world.embeddings.astype(np.float64), strict=True):
        unit[face] = (plain + mirrored) / np.linalg.norm(plain + mirrored)
    tars, tpirs = [], []
    for split in sorted({row[1] for row in world.rows}):
        mine = [row for row in world.rows if row[1] == split and row[4] in unit]
        scores = [(unit[a[4]] @ unit[b[4]], a[3] == b[3]) for a, b in combinations(mine, 2)]
        tars.append(best_rate(*([s for s, same in scores if same == kind] for kind in (True, False)), far))
        gallery = [row for row in mine if row[2] == "gallery"]
        mated, strangers = [], []
        for probe in (row for row in mine if row[2] == "probe"):
            found = {row[3]: unit[row[4]] @ unit[probe[4]] for row in gallery}
            if probe[3] not in found:
                strangers.append(max(found.values()))
                continue
            mate = found[probe[3]]
            mated.append(mate if sum(score >= mate for score in found.values()) <= rank else -np.inf)
        tpirs.append(best_rate(mated, strangers, fpir))
    return tars, tpirs


@pytest.mark.parametrize(("seed", "rank"), [(0, 1), (1, 1), (2, 2)])
def test_the_result_is_what_loops_find(seed, rank):
    world = Faces(seed)
    result, found = outcome(world, rank=rank)
    tars, tpirs = slow(world, 0.1, 0.3, rank)
    for row, values in ((found["tar_at_far"][0], tars), (found["tpir_at_fpir"][0], tpirs)):
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["mean_minus_std"] == pytest.approx(np.mean(values) - np.std(values, ddof=1))
    assert found["tar_at_far"][2]["mean"] is None, "a FAR that the impostors can't tell"
    assert (found["splits"], found["gallery"]) == (4, [3] * 4)
    assert (found["mated"], found["non_mated"]) == ([9] * 4, [20] * 4)
    assert found["genuine"] == [8 * 6] * 4
    assert found["impostors"] == [28 * 16] * 4
    table = result.tables["split_rates"].query("measure == 'tar_at_far' and at == 0.1")
    np.testing.assert_allclose(table["value"], tars)
    assert set(result.curves["one"]["lfw"]) == {"far", "tar"}


def test_order_of_rows_and_faces_changes_nothing():
    world = Faces(3)
    _, first = outcome(world)
    rng = np.random.default_rng(0)
    world.rows = [world.rows[k] for k in rng.permutation(len(world.rows))]
    order = rng.permutation(len(world.faces))
    world.faces = [world.faces[k] for k in order]
    world.embeddings = world.embeddings[order]
    assert outcome(world)[1] == first


def test_absent_faces_take_the_probes_that_only_they_could_match():
    world = Faces(4)
    gallery = next(row for row in world.rows if row[2] == "gallery")
    world.lose(gallery[4])
    with pytest.raises(blufr.SplitListError, match=rf"faces of its splits are missing.*{gallery[4]}: trunc"):
        outcome(world)
    _, found = outcome(world, missing=0.1)
    times = [row[1:3] for row in world.rows if row[4] == gallery[4]]
    enrolled = [split for split, role in times if role == "gallery"]
    assert (found["missing_faces"], found["missing_rows"]) == ([gallery[4]], len(times))
    assert found["probes_left_out"] == 3 * len(enrolled)
    for split in range(4):
        lost = split in enrolled
        assert (found["gallery"][split], found["mated"][split]) == ((2, 6) if lost else (3, 9))
        assert found["non_mated"][split] == 20 - (not lost and (split, "probe") in times)
    kept = [row for row in world.rows if not (row[3] == gallery[3] and row[1] in enrolled)]
    world.rows = kept
    assert outcome(world, missing=0.1)[1]["tpir_at_fpir"] == found["tpir_at_fpir"], "as if nobody sought them"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("lfw", 0, "probe", "p1", "p1/0"), "p1/0 stands twice in split 0"),
        (("lfw", 9, "mated", "p1", "p1/0"), "p1/0 is neither gallery nor probe in split 9"),
        (("lfw", 9, "probe", "p2", "p1/0"), "p1/0 is of another person than before in split 9"),
    ],
)
def test_wrong_rows_are_named(row, message):
    world = Faces(5, splits=1)
    world.rows = [("lfw", 0, "probe", "p1", "p1/0"), ("lfw", 0, "gallery", "p3", "p3/0"), row]
    with pytest.raises(blufr.SplitListError, match=f"benchmark 'one', list 'lfw': {message}"):
        outcome(world)


def test_one_split_has_no_spread():
    with pytest.raises(ValueError, match="two or more"):
        outcome(Faces(6, splits=1))


def test_benchmarks_without_splits():
    built = blufr.build(blufr.Params())
    empty = built.evaluate(bench(one=Faces(splits=0)))
    assert empty.metrics["note"] == blufr.NONE
    assert set(blufr.Params.model_fields) <= set(empty.metrics["settings"])
    assert not empty.tables


@pytest.mark.parametrize("wrong", [{"flip": "mean"}, {"fars": []}, {"fpirs": [0]}, {"rank": 0}])
def test_wrong_params(wrong):
    with pytest.raises(ValueError):
        blufr.Params(**wrong)
