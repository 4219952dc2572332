"""A dataset folder of our own comes back as it is."""

import numpy as np
import pytest

from pipeline import records
from pipeline.records import Place, Sample
from pipeline.sources import SourceError, shards

IMAGE = records.encode(np.zeros((4, 4, 3), np.uint8))


def build(folder):
    return shards.build(shards.Params(), folder, {})


def lay(folder, samples, about, pairs=()):
    folder.mkdir(exist_ok=True)
    writer = records.Writer(folder, rows_per_shard=2)
    for sample in samples:
        writer.add(sample)
    writer.close(about, records.pair_table(pairs))


def test_samples_pairs_and_what_it_is(tmp_path):
    samples = [
        Sample(f"{n}", IMAGE, identity="Al", box=[1, 2, 3, 4], yaw=5.0, points5=[float(n)] * 10)
        for n in range(5)
    ]
    pair = {"protocol": "p", "fold": 1, "a": "0", "b": "4", "same": True}
    lay(tmp_path, samples, {"what": "five faces"}, [pair])
    source = build(tmp_path)
    assert list(source.samples()) == samples
    assert source.pairs() == [pair]
    assert (source.about(), source.lists(), source.__length_hint__()) == ({"what": "five faces"}, {}, 5)


def test_nobody(tmp_path):
    lay(tmp_path, [], {})
    assert (list(build(tmp_path).samples()), build(tmp_path).pairs(), build(tmp_path).about()) == ([], [], {})


def test_what_is_no_such_folder(tmp_path):
    with pytest.raises(SourceError, match="is no dataset folder of this project"):
        build(tmp_path)
    lay(tmp_path, [Sample("a", IMAGE, place=Place("x.jpg", 0, len(IMAGE)))], {})
    with pytest.raises(SourceError, match="its rows point into raw files of another place"):
        build(tmp_path)
