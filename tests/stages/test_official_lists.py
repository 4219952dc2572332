"""Benchmarks as their authors hand them out, from the files through ingest and crop to the numbers.

Embeddings are drawn, a mean a person; what comes out is held against loops over the official lists.
"""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline import records
from pipeline.evaluate.bench import ModelBench
from pipeline.evaluate.folds import kfold
from pipeline.protocols import blufr, searches, templates
from stages import crop, ingest
from tests.protocols.worlds import best_rate
from tests.sources.test_layout import blufr_mat

CROPPED = Path("data/benchmarks/crop/faces")
DRAWN = {"source": "layout", "box": "whole", "crop": "tight", "benchmark": True}


def prepared(run, person_of, seed=0, **entry):
    """(bench over the ingested and cropped dataset, sample id -> unit vector, what ingest told)."""
    ran = run(**DRAWN, **entry)
    ingest.main(ran)
    told = dict(ran.told)
    crop.main(ran)
    ids = records.Dataset(CROPPED).frame(["sample_id"])["sample_id"].tolist()
    rng = np.random.default_rng(seed)
    mean = {who: rng.normal(size=8) for who in sorted({person_of(one) for one in ids})}
    plain = np.stack([mean[person_of(one)] + rng.normal(size=8) for one in ids]).astype(np.float32)
    bench = ModelBench(None, {"faces": CROPPED}, None, None)
    bench._embeddings = {"faces": np.stack([plain, plain], 1)}
    unit = plain.astype(np.float64) / np.linalg.norm(plain, axis=1, keepdims=True)
    return bench, dict(zip(ids, unit, strict=True)), told


def scored(bench, **params):
    found = searches.build(searches.Params(flip="none", **params)).evaluate(bench).metrics["benchmarks"]
    return found["faces"]["lists"]


def mat(**variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def column(values, kind=object):
    return np.array(values, kind).reshape(-1, 1)


# --- MegaFace with FaceScrub ---

PROBES = [f"P{person}/P{person}_{k}.png" for person in range(4) for k in (11, 7, 30)]
OTHERS = [f"{k:03d}/{k}@N00/{k}_0.jpg" for k in range(12)]
SETS = {3: [7, 1, 4], 10: [1, 4, 7, 0, 2, 3, 5, 9, 11, 10]}
TOP = "megaface/devkit/templatelists"


def megaface(jpeg, sets=SETS, probes=PROBES, people=None):
    """Files of the benchmark; beside them images that no list names."""
    entries = {f"megaface/facescrub_images/{name}": jpeg(k) for k, name in enumerate(PROBES)}
    entries |= {f"megaface/megaface_images/{name}": jpeg(50 + k) for k, name in enumerate(OTHERS)}
    entries["megaface/facescrub_images/Q/Q_1.png"] = jpeg(99)
    people = people or [name.split("/")[0] for name in probes]
    lists = {"facescrub_features_list.json": {"path": probes, "id": people}}
    for size, rows in sets.items():
        lists[f"megaface_features_list.json_{size}_1"] = {"path": [OTHERS[row] for row in rows]}
        lists[f"megaface_features_list.json_{size}_2"] = {"path": ["another/set/of_them.jpg"]}
    return entries | {f"{TOP}/{name}": json.dumps(said).encode() for name, said in lists.items()}


def who_of(path):
    return path.split("/")[-2]


def rank_1(unit, probes, others):
    """Share of ordered pairs of one person whose mate is nearer than every distractor."""
    couples = [(a, b) for a in probes for b in probes if a != b and who_of(a) == who_of(b)]
    return np.mean([all(unit[a] @ unit[b] > unit[a] @ unit[other] for other in others) for a, b in couples])


def test_megaface_from_its_lists_to_its_numbers(run, raw, jpeg):
    raw(megaface(jpeg))
    bench, unit, told = prepared(run, who_of, layout="megaface_facescrub")
    assert (told["samples"], told["templates"], told["searches"]) == (22, 22, 22)
    assert "megaface/facescrub_images/Q/Q_1.png" not in unit, "what no list names is left out"
    lists = scored(bench, ranks=[1], distractors=[3, 10], distractor_fars=[0.1])
    found = lists["megaface_facescrub"]["among_distractors"]
    probes = [f"megaface/facescrub_images/{name}" for name in PROBES]
    others = {
        size: [f"megaface/megaface_images/{OTHERS[row]}" for row in rows] for size, rows in SETS.items()
    }
    assert [row["distractors"] for row in found["cmc"]] == [3, 10]
    for row in found["cmc"]:
        assert row["rank_1"] == pytest.approx(rank_1(unit, probes, others[row["distractors"]]))
    own = [unit[a] @ unit[b] for i, a in enumerate(probes) for b in probes[:i] if who_of(a) == who_of(b)]
    impostors = [unit[a] @ unit[b] for a in probes for b in others[10]]
    assert found["tar_at_far"][0]["tar"] == pytest.approx(best_rate(own, impostors, 0.1))


def test_sets_of_distractors_that_are_no_parts_of_one_another(run, raw, jpeg):
    raw(megaface(jpeg, sets={3: [7, 1, 8], 10: SETS[10]}))
    bench, unit, _ = prepared(run, who_of, layout="megaface_facescrub", protocol="mega")
    lists = scored(bench, ranks=[1], distractors=[], distractor_fars=[])
    assert sorted(lists) == ["mega_10", "mega_3"]
    probes = [f"megaface/facescrub_images/{name}" for name in PROBES]
    others = [f"megaface/megaface_images/{OTHERS[row]}" for row in (7, 1, 8)]
    (row,) = lists["mega_3"]["among_distractors"]["cmc"]
    assert row["rank_1"] == pytest.approx(rank_1(unit, probes, others))


def test_noises_are_in_no_search(run, raw, jpeg):
    noises = {
        "megaface_noises.txt": f"#\n{OTHERS[4]}\n".encode(),
        "facescrub_noises.txt": b"#\nx\tP2_7.png\n",
    }
    raw(megaface(jpeg) | noises)
    bench, unit, told = prepared(run, who_of, layout="megaface_facescrub", noises=list(noises))
    assert told["samples"] == len(unit) == 20
    found = scored(bench, ranks=[1], distractor_fars=[])["megaface_facescrub"]["among_distractors"]
    assert found["probes"] == 11
    assert found["cmc"][-1]["distractors"] == 9


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"probes": [*PROBES, "P9/P9_1.png"]},
            r"features_list\.json, image 13 names P9/P9_1\.png, which is not",
        ),
        ({"probes": [*PROBES, PROBES[0]]}, r"image 13: .*P0_11\.png stands there before, as image 1"),
        ({"people": ["P0"]}, "has 12 paths and 1 ids"),
        ({"sets": {}}, r"should hold megaface_features_list\.json_\*_1"),
    ],
)
def test_lists_of_megaface_that_err(run, raw, jpeg, changed, message):
    raw(megaface(jpeg, **changed))
    with pytest.raises(ValueError, match=message):
        ingest.main(run(**DRAWN, layout="megaface_facescrub"))


# --- QMUL-SurvFace, identification ---

FACES = "QMUL-SurvFace/Face_Identification_Test_Set"
WATCHED = [f"{person}_cam{k}_{k}.jpg" for person in (100, 205, 31) for k in (1, 2)]
MATED = [f"{person}_cam{k}_1.jpg" for person in (31, 100, 205) for k in (5, 6, 7)]
STRANGERS = ["7_cam1_1.jpg", "7_cam2_1.jpg", "8_cam1_9.jpg", "distractors_1.jpg", "distractors_02.jpg"]
LABELS = {"100": 1, "205": 2, "31": 3}


def survface(jpeg, mated=MATED, labels=LABELS, ids=None):
    parts = {"gallery": WATCHED, "mated_probe": MATED, "unmated_probe": STRANGERS}
    entries = {
        f"{FACES}/{part}/{name}": jpeg(k)
        for part, names in parts.items()
        for k, name in enumerate(names, 10 * len(part))
    }
    for part, names in (("gallery", WATCHED), ("mated_probe", mated)):
        known = column([labels[name.split("_")[0]] for name in names], np.uint16)
        variables = {f"{part}_set": column(names), f"{part}_ids": known if ids is None else ids}
        entries[f"{FACES}/{part}_img_ID_pairs.mat"] = mat(**variables)
    entries["QMUL-SurvFace/training_set/17/17_cam2_3.jpg"] = jpeg(1)
    return entries


def prefix(path):
    return path.split("/")[-1].split("_")[0]


def test_survface_from_its_lists_to_its_numbers(run, raw, jpeg):
    raw(survface(jpeg))
    bench, unit, told = prepared(run, prefix, layout="survface_1n")
    assert (told["samples"], told["templates"], told["searches"]) == (20, 20, 3 + 9 + 5)
    params = {"ranks": [1, 2], "fpirs": [0.4, 0.2], "open_rank": 2, "open_fars": [0.2]}
    found = scored(bench, **params)["survface_1n"]["in_gallery"]
    assert (found["gallery"], found["mated"], found["non_mated"]) == (3, 9, 5)
    gallery = {}
    for who in LABELS:
        whole = sum(unit[f"{FACES}/gallery/{name}"] for name in WATCHED if prefix(name) == who)
        gallery[who] = whole / np.linalg.norm(whole)
    mates, ranks = [], []
    for name in MATED:
        scores = {who: unit[f"{FACES}/mated_probe/{name}"] @ entry for who, entry in gallery.items()}
        mates.append(scores[prefix(name)])
        ranks.append(sum(score >= mates[-1] for score in scores.values()))
    others = [
        max(unit[f"{FACES}/unmated_probe/{name}"] @ entry for entry in gallery.values()) for name in STRANGERS
    ]
    assert found["cmc"] == pytest.approx({f"rank_{k}": np.mean(np.array(ranks) <= k) for k in (1, 2)})
    accepted = [mate if rank <= 2 else -np.inf for mate, rank in zip(mates, ranks, strict=True)]
    for row in found["tpir"]:
        assert row["tpir"] == pytest.approx(best_rate(accepted, others, row["fpir"]))
    people = records.Dataset(CROPPED).frame(["sample_id", "identity"]).set_index("sample_id")["identity"]
    assert people[f"{FACES}/gallery/100_cam1_1.jpg"] == "100"
    assert people.isna().sum() == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mated": [*MATED, "31_cam9_9.jpg"]}, r"image 10 names mated_probe/31_cam9_9\.jpg, which is not in"),
        ({"labels": {**LABELS, "31": 2}}, r"image 5 \(31_cam1_1\.jpg\): label 2 is of 205, 31 has label 2"),
        ({"ids": column([1], np.uint16)}, "should hold gallery_set and gallery_ids, one of each"),
    ],
)
def test_lists_of_survface_that_err(run, raw, jpeg, changed, message):
    raw(survface(jpeg, **changed))
    with pytest.raises(ValueError, match=message):
        ingest.main(run(**DRAWN, layout="survface_1n"))


def test_a_mated_probe_of_nobody_in_the_gallery(run, raw, jpeg):
    name = "44_cam1_1.jpg"
    made = survface(jpeg, mated=[*MATED, name], labels={**LABELS, "44": 9})
    raw(made | {f"{FACES}/mated_probe/{name}": jpeg(77)})
    with pytest.raises(ValueError, match=r"image 10: .*44_cam1_1\.jpg is of 44, of whom the gallery has no"):
        ingest.main(run(**DRAWN, layout="survface_1n"))


# --- BLUFR ---


def test_blufr_from_its_list_to_its_numbers(run, raw, jpeg):
    names = [f"{who}_{k:04d}" for who in ("Al", "Bo_Li", "Cy", "Di") for k in (1, 2, 3)]
    splits = [([1, 2, 3, 4, 5, 7, 8], [1, 4], [2, 3, 5, 7, 8]), ([*range(4, 13)], [4], [*range(5, 13)])]
    entries = {f"lfw/{name.rpartition('_')[0]}/{name}.jpg": jpeg(k) for k, name in enumerate(names)}
    raw(entries | {"BLUFR/config/lfw/blufr_lfw_config.mat": blufr_mat(names, splits)})
    bench, unit, told = prepared(run, who_of, layout="blufr")
    assert (told["samples"], told["splits"]) == (12, 16)
    protocol = blufr.build(blufr.Params(flip="none", fars=[0.2], fpirs=[0.5]))
    found = protocol.evaluate(bench).metrics["benchmarks"]["faces"]["lists"]["blufr"]
    tars = []
    for test, _, _ in splits:
        rows = [
            (unit[f"lfw/{names[k - 1].rpartition('_')[0]}/{names[k - 1]}.jpg"], names[k - 1]) for k in test
        ]
        scores = {True: [], False: []}
        for i, (a, one) in enumerate(rows):
            for b, other in rows[:i]:
                scores[one.rpartition("_")[0] == other.rpartition("_")[0]].append(a @ b)
        tars.append(best_rate(scores[True], scores[False], 0.2))
    row = found["tar_at_far"][0]
    assert row["mean_minus_std"] == pytest.approx(np.mean(tars) - np.std(tars, ddof=1))
    assert (found["gallery"], found["mated"], found["non_mated"]) == ([2, 1], [3, 2], [2, 6])


# --- YouTube Faces ---


def test_ytf_from_its_splits_to_thresholds_of_the_other_folds(run, raw, jpeg):
    people = ("Al", "Bo", "Cy", "Di", "Ed", "Fi", "Gu", "Ha")
    videos = [f"{who}/{video}" for who in people for video in (0, 2)]
    entries = {
        f"YouTubeFaces/frame_images_DB/{name}/{name[-1]}.{frame}.jpg": jpeg(10 * k + frame)
        for k, name in enumerate(videos)
        for frame in (1, 2)
    }
    splits = np.zeros((4, 3, 4), int)  # a fold is of two people, videos count from 1
    for fold in range(4):
        first = 4 * fold + 1
        rows = [
            (first, first + 1, 1),
            (first + 2, first + 3, 1),
            (first, first + 2, 0),
            (first + 1, first + 3, 0),
        ]
        splits[:, :, fold] = rows
    names = {"video_names": column(videos), "Splits": splits}
    raw(entries | {"YouTubeFaces/meta_data/meta_and_splits.mat": mat(**names)})
    bench, unit, _ = prepared(run, lambda path: path.split("/")[-3], layout="ytf")
    protocol = templates.build(templates.Params(flip="none", fars=[0.5], bootstrap=0))
    found = protocol.evaluate(bench).metrics["benchmarks"]["faces"]["verification"]["ytf"]
    video = {}
    for name in videos:
        frames = [f"YouTubeFaces/frame_images_DB/{name}/{name[-1]}.{frame}.jpg" for frame in (1, 2)]
        whole = unit[frames[0]] + unit[frames[1]]
        video[name] = whole / np.linalg.norm(whole)
    rows = [(fold, *splits[row, :, fold]) for fold in range(4) for row in range(4)]
    scores = np.array([video[videos[a - 1]] @ video[videos[b - 1]] for _, a, b, _ in rows])
    same, fold = np.array([bool(row[3]) for row in rows]), np.array([row[0] for row in rows])
    slow = kfold(scores, same, fold)
    assert found["fold_accuracy"] == pytest.approx(slow.accuracy)
    assert found["fold_threshold"] == pytest.approx(slow.threshold, abs=1e-6)
    assert found["people_in_several_folds"] == 0
