"""Pairs near the threshold against a loop over all of them."""

import yaml

from pipeline.evaluate import borderline, removals
from tests.evaluate.test_overlap import world

COPIES = {"radius": "none"}


def search(band, **settings):
    training, protected, held_out = world()
    every = {faces.dataset: faces for faces in (*training, *protected)}
    given = {"false_match_rate": 1e-3, "mutual_rate": 0.02, "duplicates": COPIES} | settings
    found = removals.search([(training, protected)], held_out, given)
    return found, every, borderline.near(found, every, band)


def test_pairs_within_the_band_and_no_others():
    found, every, pairs = search(0.04)
    expected = set()
    for (dataset, kind), match in found.matches.items():
        for i, unit in enumerate(match.unit):
            bound = found.bounds[kind]
            limit = bound.mutual if match.mutual[i] and kind == (True, True) else bound.match
            if abs(match.similarity[i] - limit) <= 0.04:
                expected.add((dataset, every[dataset].units.label[unit], match.matched[i]))
    assert {(pair["dataset"], pair["who"], pair["matched"]) for pair in pairs} == expected
    assert 5 < len(pairs) < sum(len(match.unit) for match in found.matches.values()) / 2
    distance = [abs(pair["similarity"] - pair["threshold"]) for pair in pairs]
    assert distance == sorted(distance)
    gone = {(row["dataset"], row["identity"] or row["sample_id"]) for row in found.rows}
    for pair in pairs:
        assert pair["goes"] == ((pair["dataset"], pair["who"]) in gone)


def test_no_band_lists_nothing():
    assert search(0.0)[2] == []


def test_the_list_to_copy_is_what_decisions_read():
    _, _, pairs = search(0.04)
    text = "".join(map(borderline._line, pairs))
    keys = ("dataset", "who", "benchmark", "matched")
    assert yaml.safe_load(text) == [
        {key: pair[key] for key in keys} | {"verdict": "undecided"} for pair in pairs
    ]
