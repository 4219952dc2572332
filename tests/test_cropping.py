"""Shards of crops: the same faces whatever the workers, kept over a failure, nothing swallowed."""

import pickle
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import cropping, crops, records, shards
from pipeline.cropping import Croppers, Cropping
from pipeline.crops import Cropper, Params
from pipeline.detectors import Detection
from pipeline.records import Sample
from pipeline.runtime import Runtime

COUNT = 300


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Faces of 300 pictures with a box; of every 50th nothing is known."""
    folder = tmp_path_factory.mktemp("ingest")
    rng, writer = np.random.default_rng(0), records.Writer(folder, rows_per_shard=90)
    for number in range(COUNT):
        image = records.encode(rng.integers(0, 256, (24, 20, 3), np.uint8), 101)
        box = None if number % 50 == 7 else [2.0, 3.0, 12.0, 14.0]
        writer.add(Sample(f"{number}", image, identity=f"{number // 3}", box=box))
    writer.close({})
    return folder


def task_of(dataset, method="unaligned", size=16):
    return Cropping(dataset, dataset, Params(method=method, image_size=size), "source", {})


class Bar:
    def __init__(self):
        self.steps = 0

    def advance(self, steps=1):
        self.steps += steps


def made(task, kept, workers=2, size=70):
    bar = Bar()
    cut = shards.stretches(COUNT, size)
    found = list(shards.made(task, cut, kept, Runtime(workers=workers), bar))
    assert bar.steps == COUNT
    return found


def rows(found):
    import pyarrow as pa

    tables = [pa.ipc.open_file(str(part)).read_all() for shard in found for part in shard.parts]
    return pa.concat_tables(tables).to_pylist()


def test_shards_are_the_crops_one_by_one(dataset, tmp_path):
    found = made(task_of(dataset), tmp_path / "kept")
    cropper = Cropper(SimpleNamespace(detect=seen, absent="no box"), "unaligned", 16)
    wanted = [cropper(sample)[0] for sample in records.Dataset(dataset).samples()]
    kept = [one for one in wanted if not isinstance(one, crops.SetAside)]
    for row, one in zip(rows(found), kept, strict=True):
        assert (row["sample_id"], row["identity"], row["image"]) == (one.sample_id, one.identity, one.image)
        assert row["box"] == pytest.approx(one.box, abs=1e-4)
    aside = [row["sample_id"] for shard in found for row in shard.facts["set_aside"]]
    assert aside == [one.sample_id for one in wanted if isinstance(one, crops.SetAside)] != []
    total = crops.Resolution(16)
    for shard in found:
        total.merge(shard.facts["resolution"])
    assert sum(total.photo) == COUNT - len(aside)


def seen(sample, image):
    return [] if sample.box is None else [Detection(np.array(sample.box), None)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_change_nothing(dataset, tmp_path, workers):
    one, other = (made(task_of(dataset), tmp_path / f"{number}", number) for number in (2, workers))
    for a, b in zip(one, other, strict=True):
        assert a.facts == b.facts
        assert [part.read_bytes() for part in a.parts] == [part.read_bytes() for part in b.parts]


def test_finished_shards_outlive_a_failure_and_are_not_made_again(dataset, tmp_path, monkeypatch):
    done = []

    class Failing(Cropper):
        def __call__(self, sample):
            if sample.sample_id == "200":
                raise RuntimeError("the disk is full")
            return super().__call__(sample)

    class Counting(Cropper):
        def __call__(self, sample):
            done.append(int(sample.sample_id))
            return super().__call__(sample)

    monkeypatch.setattr(cropping, "Cropper", Failing)
    with pytest.raises(RuntimeError, match="the disk is full"):
        made(task_of(dataset), tmp_path / "kept")
    monkeypatch.setattr(cropping, "Cropper", Counting)
    found = made(task_of(dataset), tmp_path / "kept")
    assert sorted(done) == list(range(140, COUNT)), "two shards of 70 were there"
    monkeypatch.undo()
    assert rows(found) == rows(made(task_of(dataset), tmp_path / "other"))


def test_a_task_is_sent_without_what_it_has_opened(dataset, tmp_path):
    task = task_of(dataset)
    task.check()
    made(task, tmp_path / "one")
    again = pickle.loads(pickle.dumps(task))
    assert vars(again).keys() == {"dataset", "raw", "params", "detector", "options", "faces", "origins"}
    assert rows(made(again, tmp_path / "two")) == rows(made(task, tmp_path / "three"))


def test_every_thread_has_a_cropper_of_its_own_and_the_order_stays(dataset):
    inside, count, met = [], [], Barrier(3, timeout=20)

    class Alone:
        def __init__(self):
            count.append(self)

        def __call__(self, sample):
            assert self not in inside
            inside.append(self)
            if int(sample.sample_id) % cropping.ROWS == 20:  # the first of a batch: all threads are inside
                met.wait()
            inside.remove(self)
            return [sample]

    numbers = range(20, 20 + 3 * cropping.ROWS)
    found = cropping.crops(records.Dataset(dataset), Croppers(Alone), 3, numbers)
    assert [s.sample_id for batch in found for s in batch] == [f"{number}" for number in numbers]
    assert len(count) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_detector_is_not_swallowed(dataset, workers):
    def make():
        raise RuntimeError("no weights")

    with pytest.raises(RuntimeError, match="no weights"):
        list(cropping.crops(records.Dataset(dataset), Croppers(make), workers, range(10)))


def test_what_is_cropped_already_passes_through_in_stretches(dataset, tmp_path):
    found = made(task_of(dataset, "as_is", 24), tmp_path / "kept")
    assert not rows(found)
    assert {row["reason"] for shard in found for row in shard.facts["set_aside"]} == {
        "20 x 24 pixels: crop `as_is` takes 24 x 24"
    }


def test_crops_that_are_to_be_blurred_are_decoded_and_what_can_not_be_is_set_aside():
    import pyarrow as pa

    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(4)]
    images = [records.encode(one, 101) for one in pictures]
    images[2] = images[2][:60]  # its header is whole
    rows = [Sample(f"{k}", image, identity="a").row() for k, image in enumerate(images)]
    table = pa.Table.from_pylist(rows, records.SCHEMA)
    before = crops.SetAside("x", "before")
    params = Params(method="as_is", image_size=16, quality=101, blur=1.5)
    (first, *aside), (second,) = cropping.softened(iter([[table, before], [table[:1]]]), params, 2)
    assert first["sample_id"].to_pylist() == ["0", "1", "3"]
    assert [one.sample_id for one in aside] == ["x", "2"]
    for place, number in enumerate((0, 1, 3)):
        found = records.decode(first["image"][place].as_py())
        np.testing.assert_array_equal(found, crops.blurred(pictures[number], 1.5))
        assert found.std() < 0.5 * pictures[number].std()
    assert second.num_rows == 1
    assert first.schema == table.schema
