"""Benchmarks of pairs, IJB and CIFAR in their authors' files, through ingest and crop to the numbers.

Embeddings are drawn, a mean a person, and what comes out is held against loops over the official lists;
MegaFace, SurvFace's identification, BLUFR and YouTube Faces: `test_official_lists`.
"""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch

from pipeline import records
from pipeline.evaluate.bench import ModelBench
from pipeline.heads import CosineHead
from pipeline.protocols import classification, pairs, templates
from pipeline.sources import image_labels
from stages import crop, ingest
from tests.protocols.worlds import best_rate
from tests.sources.test_image_labels import batch, python_2
from tests.sources.test_layout import agedb_splits, cfp_entries
from tests.stages.test_official_lists import CROPPED, DRAWN, mat, prepared

PEOPLE = [f"P{k}" for k in range(20)]


def lfw(jpeg):
    """pairs.txt: four folds of two same and two different pairs."""
    lines, rows = ["4\t2"], []
    for fold in range(4):
        first, second = PEOPLE[2 * fold], PEOPLE[2 * fold + 1]
        lines += [f"{who}\t1\t2" for who in (first, second)]
        lines += [f"{first}\t{k}\t{second}\t{k}" for k in (1, 2)]
        rows += [(fold, (who, 1), (who, 2), True) for who in (first, second)]
        rows += [(fold, (first, k), (second, k), False) for k in (1, 2)]

    def path(face):
        return f"lfw/{face[0]}/{face[0]}_000{face[1]}.jpg"

    entries = {path((who, k)): jpeg(k) for who in PEOPLE[:8] for k in (1, 2)}
    entries["pairs.txt"] = ("\n".join(lines) + "\n").encode()
    return entries, [(fold, path(a), path(b), same) for fold, a, b, same in rows]


def cfp(kind):
    """Indices of lists of frontal and profile images, ten and four a person, a file a fold and kind."""

    def make(jpeg):
        entries, rows = cfp_entries(jpeg, people=4), []
        for fold in (1, 2):
            one, two = 2 * fold - 1, 2 * fold
            same = (
                [((who, "frontal", 1), (who, other, 2)) for who in (one, two)]
                if (other := SIDES[kind])
                else []
            )
            differ = [((one, "frontal", 3), (two, other, 1)), ((two, "frontal", 4), (one, other, 3))]
            for name, listed in (("same", same), ("diff", differ)):
                text = "\n".join(f"{index(*a)},{index(*b)}" for a, b in listed)
                for each in ("FF", "FP"):  # the other protocol's files lie there, too
                    file = f"cfp-dataset/Protocol/Split/{each}/{fold:02d}/{name}.txt"
                    entries[file] = (
                        text.encode() if each == kind else b"1,2\n" if name == "same" else b"1,11\n"
                    )
                rows += [(fold - 1, cfp_path(*a), cfp_path(*b), name == "same") for a, b in listed]
        return entries, rows

    return make


SIDES = {"FF": "frontal", "FP": "profile"}


def index(who, side, number):
    return {"frontal": 10, "profile": 4}[side] * (who - 1) + number


def cfp_path(who, side, number):
    return f"cfp-dataset/Data/Images/{who:03d}/{side}/{number:02d}.jpg"


def agedb(jpeg):
    """A cell of name pairs a fold, labels 1 and -1; faces named <id>_<name>_<age>_<gender>."""
    names = {
        (who, k): f"{2 * n + k}_{who}_{20 + 9 * k}_f" for n, who in enumerate(PEOPLE[:8]) for k in (0, 1)
    }
    folds, rows = [], []
    for fold in range(4):
        one, two = PEOPLE[2 * fold : 2 * fold + 2]
        listed = [
            ((one, 0), (one, 1), 1),
            ((two, 0), (two, 1), 1),
            ((one, 0), (two, 1), -1),
            ((one, 1), (two, 0), -1),
        ]
        folds.append([(names[a], names[b], kind) for a, b, kind in listed])
        rows += [(fold, f"AgeDB/{names[a]}.jpg", f"AgeDB/{names[b]}.jpg", kind > 0) for a, b, kind in listed]
    entries = {f"AgeDB/{name}.jpg": jpeg(k) for k, name in enumerate(names.values())}
    return entries | {"splits_30.mat": agedb_splits(folds)}, rows


def halves(name, file):
    """Same pairs first, then different ones, a line a face; fold i is the i-th tenth of each."""

    def make(jpeg):
        def path(who, k):
            return f"{name}/aligned images/{who}_000{k}.jpg"

        others = PEOPLE[1:] + PEOPLE[:1]
        entries = {path(who, k): jpeg(k) for who in PEOPLE for k in (1, 2)}
        same = [(n // 2, (who, 1), (who, 2), True) for n, who in enumerate(PEOPLE)]
        differ = [
            (n // 2, (who, 1), (other, 2), False)
            for n, (who, other) in enumerate(zip(PEOPLE, others, strict=True))
        ]
        text = [
            f"{who}_000{k}.jpg {fold + 1 if kind else 0}\n"
            for fold, a, b, kind in same + differ
            for who, k in (a, b)
        ]
        entries[f"{name}/{file}"] = "".join(text).encode()
        return entries, [(fold, path(*a), path(*b), kind) for fold, a, b, kind in same + differ]

    return make


SURVFACE = "QMUL-SurvFace/Face_Verification_Test_Set"


def survface(jpeg):
    """Two lists of names in .mat files, without folds."""

    def path(face):
        return f"{SURVFACE}/verification_images/{face}"

    faces = {(who, k): f"{who}_cam{k}_1.jpg" for who in range(10, 18) for k in (1, 2)}
    same = [(faces[who, 1], faces[who, 2]) for who in range(10, 18)]
    differ = [(faces[who, 1], faces[10 + (who - 9) % 8, 2]) for who in range(10, 18)]
    entries = {path(face): jpeg(k) for k, face in enumerate(faces.values())}
    for kind, listed in (("positive", same), ("negative", differ)):
        entries[f"{SURVFACE}/{kind}_pairs_names.mat"] = mat(
            **{f"{kind}_pairs_names": np.array(listed, object)}
        )
    every = [(pair, True) for pair in same] + [(pair, False) for pair in differ]
    return entries, [(0, path(a), path(b), kind) for (a, b), kind in every]


def first(sign):
    """Whose a face is, by its file's name."""
    return lambda path: path.split("/")[-1].split(sign)[0]


OFFICIAL = {  # layout -> (its files and pairs, whose a face is)
    "lfw": (lfw, first("_")),
    "cfp_fp": (cfp("FP"), lambda path: path.split("/")[-3]),
    "cfp_ff": (cfp("FF"), lambda path: path.split("/")[-3]),
    "agedb_30": (agedb, lambda path: path.split("_")[-3]),
    "calfw": (halves("calfw", "pairs_CALFW.txt"), first("_")),
    "cplfw": (halves("cplfw", "pairs_CPLFW.txt"), first("_")),
    "survface": (survface, first("_")),
}


def accuracy(rows, scores):
    """Of each fold, by the thresholds that are best on the others: the lowest and highest that it may be."""
    fold, same = np.array([row[0] for row in rows]), np.array([row[3] for row in rows])
    found = []
    for here in sorted(set(fold)):
        rest = fold != here
        rates = {t: np.mean((scores[rest] >= t) == same[rest]) for t in [-2, *between(scores[rest]), 2]}
        best = [t for t, rate in rates.items() if rate == max(rates.values())]
        mine = [
            np.mean((scores[~rest] >= t) == same[~rest])
            for t in [*best, *between(scores, min(best), max(best))]
        ]
        found.append((min(mine), max(mine)))
    return found


def between(scores, low=-2, high=2):
    """Thresholds that tell any two neighbouring scores apart."""
    ordered = np.sort(scores)
    return [t for t in (ordered[1:] + ordered[:-1]) / 2 if low <= t <= high]


@pytest.mark.parametrize("layout", OFFICIAL)
def test_pairs_from_official_files_to_numbers(run, raw, jpeg, layout):
    make, person_of = OFFICIAL[layout]
    entries, rows = make(jpeg)
    raw(entries)
    bench, unit, told = prepared(run, person_of, layout=layout)
    assert told["pairs"] == len(rows)
    assert all((person_of(a) == person_of(b)) == same for _, a, b, same in rows)
    result = pairs.build(pairs.Params(flip="none", fars=[0.25], folds=4, bootstrap=20)).evaluate(bench)
    found = result.metrics["benchmarks"]["faces"][layout]
    scores = np.array([unit[a] @ unit[b] for _, a, b, _ in rows])
    table = result.tables["scores"].set_index(["a", "b"])["score"]
    np.testing.assert_allclose([table[a, b] for _, a, b, _ in rows], scores, atol=2e-6)
    own, others = (
        [s for s, row in zip(scores, rows, strict=True) if row[3] == same] for same in (True, False)
    )
    assert (found["genuine"], found["impostors"], found["missing_pairs"]) == (len(own), len(others), 0)
    assert found["tar_at_far"][0]["tar"] == pytest.approx(best_rate(own, others, 0.25))
    if layout != "survface":  # which has no folds of its own
        limits = accuracy(rows, scores)
        each = found["fold_accuracy"]
        assert len(each) == len(limits)
        assert all(low - 1e-9 <= one <= high + 1e-9 for one, (low, high) in zip(each, limits, strict=True))


# --- IJB-B and IJB-C ---

SUBJECTS = range(1, 9)
ROOT = "IJB/loose_crop"


def ijb(name, galleries, jpeg):
    """Files, members template -> medium -> images, subject of each template, roles.

    A subject has a template of two stills, in gallery 1 or 2, and one of a still and two frames of a video.
    """
    members, subject, number = {}, {}, 0
    for who in SUBJECTS:
        for template, media in ((10 * who, (1, 1)), (10 * who + 1, (1, 2))):
            subject[str(template)] = who
            members[str(template)] = {}
            for medium, images in enumerate(media):
                members[str(template)][100 * template + medium] = [number + k + 1 for k in range(images)]
                number += images
    lines = [
        (f"{image}.jpg", template, medium)
        for template, media in members.items()
        for medium, images in media.items()
        for image in images
    ]
    points = " ".join(str(v) for v in range(1, 11))
    enrolled = [str(10 * who) for who in SUBJECTS]
    probes = [str(10 * who + 1) for who in SUBJECTS]
    meta = {
        f"{name}_name_5pts_score.txt": [f"{face} {points} 0.9" for face, _, _ in lines],
        f"{name}_face_tid_mid.txt": [" ".join(map(str, line)) for line in lines],
        f"{name}_template_pair_label.txt": [
            f"{a} {b} {int(subject[a] == subject[b])}" for a in enrolled for b in probes
        ],
        f"{name}_1N_probe_mixed.csv": ["TEMPLATE_ID,SUBJECT_ID", *(f"{t},{subject[t]}" for t in probes)],
    }
    for gallery, start in zip(galleries, (0, 4), strict=True):
        rows = [f"{t},{subject[t]}" for t in enrolled[start : start + 4]]
        meta[f"{name}_1N_gallery_{gallery}.csv"] = ["TEMPLATE_ID,SUBJECT_ID", *rows]
    entries = {f"{ROOT}/{face}": jpeg(k) for k, (face, _, _) in enumerate(lines)}
    entries |= {f"IJB/meta/{file}": ("\n".join(text) + "\n").encode() for file, text in meta.items()}
    return entries, members, subject, enrolled, probes


@pytest.mark.parametrize(("name", "galleries"), [("ijbb", ("S1", "S2")), ("ijbc", ("G1", "G2"))])
def test_ijb_from_its_meta_files_to_its_numbers(run, raw, jpeg, name, galleries):
    entries, members, subject, enrolled, probes = ijb(name, galleries, jpeg)
    raw(entries)
    who = {
        f"{ROOT}/{image}.jpg": subject[template]
        for template, media in members.items()
        for images in media.values()
        for image in images
    }
    bench, unit, told = prepared(run, who.__getitem__, layout=name)
    assert (told["samples"], told["template_pairs"], told["searches"]) == (40, 64, 2 * (4 + 8))
    params = templates.Params(flip="none", fars=[0.1], fpirs=[0.5], ranks=[1, 2], bootstrap=20)
    found = templates.build(params).evaluate(bench).metrics["benchmarks"]["faces"]
    pooled = {}
    for template, media in members.items():
        whole = sum(
            np.mean([unit[f"{ROOT}/{image}.jpg"] for image in images], 0) for images in media.values()
        )
        pooled[template] = whole / np.linalg.norm(whole)
    scored = [(pooled[a] @ pooled[b], subject[a] == subject[b]) for a in enrolled for b in probes]
    own, others = ([score for score, same in scored if same == kind] for kind in (True, False))
    assert found["verification"][name]["tar_at_far"][0]["tar"] == pytest.approx(best_rate(own, others, 0.1))
    searched = found["identification"][name]  # one set of probes: no name of it
    firsts = []
    for gallery, start in zip(galleries, (0, 4), strict=True):
        inside = enrolled[start : start + 4]
        mates, ranks, strangers = [], [], []
        for probe in probes:
            scores = {subject[entry]: pooled[entry] @ pooled[probe] for entry in inside}
            if subject[probe] in scores:
                mates.append(scores[subject[probe]])
                ranks.append(sum(score >= mates[-1] for score in scores.values()))
            else:
                strangers.append(max(scores.values()))
        told = searched["galleries"][f"gallery_{gallery}"]
        assert (told["gallery"], told["mated"], told["non_mated"]) == (4, 4, 4)
        firsts.append(np.mean(np.array(ranks) == 1))
        assert told["cmc"] == pytest.approx({"rank_1": firsts[-1], "rank_2": np.mean(np.array(ranks) <= 2)})
        accepted = [mate if rank == 1 else -np.inf for mate, rank in zip(mates, ranks, strict=True)]
        assert told["tpir"][0]["tpir"] == pytest.approx(best_rate(accepted, strangers, 0.5))
    assert searched["mean"]["cmc"]["rank_1"] == pytest.approx(np.mean(firsts))


# --- CIFAR: classes of objects ---


def test_cifar_from_its_batches_to_top_k(run, raw, monkeypatch):
    monkeypatch.setattr(image_labels.CifarBatches, "__len__", lambda _: 7)  # not 10,000, for the bar
    labels, names = [0, 2, 1, 1, 2, 0, 2], ["plane", "car", "bird"]
    raw({
        "cifar-10-batches-py/data_batch_1": python_2(batch([0, 1], 0)[1]),
        "cifar-10-batches-py/test_batch": python_2(batch(labels, 1)[1]),
        "cifar-10-batches-py/batches.meta": python_2({"label_names": names}),
    })  # fmt: skip
    ran = run(source="image_labels", split="test", crop="objects", benchmark=True)
    ran.params = ran.params | {"crops": {"objects": {"method": "as_is", "image_size": 32}}}
    ingest.main(ran)
    crop.main(ran)
    torch.manual_seed(0)
    head, classes = CosineHead(4, 3, 0.2, 16.0), sorted(names)
    bench = ModelBench(SimpleNamespace(head=head, classes=classes), {"faces": CROPPED}, None, None)
    ids = records.Dataset(CROPPED).frame(["sample_id"])["sample_id"].tolist()
    drawn = {f"test_batch/{k:05d}": v for k, v in enumerate(np.random.default_rng(3).normal(size=(7, 4)))}
    faces = np.stack([drawn[one] for one in ids]).astype(np.float32)
    bench._embeddings = {"faces": np.stack([faces, faces], 1)}
    found = classification.build(classification.Params(tops=[1, 2, 5])).evaluate(bench)
    hits = {1: 0, 2: 0}
    weight = head.weight.detach().numpy()
    for number, label in enumerate(labels):
        x = drawn[f"test_batch/{number:05d}"]
        cosines = [w @ x / np.linalg.norm(w) / np.linalg.norm(x) for w in weight]
        ranked = [classes[k] for k in np.argsort(cosines)[::-1]]
        for k in hits:
            hits[k] += names[label] in ranked[:k]
    top = {one["k"]: one["share"] for one in found.metrics["benchmarks"]["faces"]["top"]}
    assert top == pytest.approx({k: count / 7 for k, count in hits.items()})  # there is no fifth class


# --- the blurred twin of a benchmark ---


def twin(run, sigma, method="unaligned"):
    """Ingest and crop of the same raw files, with that blur: (its crops, its dataset)."""
    ran = run(**{**DRAWN, "crop": "twin"}, layout="lfw")
    size = {"unaligned": 48, "as_is": 90}[method]
    ran.params = ran.params | {
        "crops": {"twin": {"method": method, "image_size": size, "quality": 101, "blur": sigma}}
    }
    ingest.main(ran)
    crop.main(ran)
    data = records.Dataset(CROPPED)
    return {one.sample_id: records.decode(one.image) for one in data.samples()}, data


@pytest.mark.parametrize("method", ["unaligned", "as_is"])
def test_the_blurred_twin_of_lfw(run, raw, method):
    def photo(seed):
        picture = np.random.default_rng(seed).integers(0, 256, (90, 90, 3), np.uint8)
        return cv2.imencode(".png", picture)[1].tobytes()

    entries, rows = lfw(photo)
    raw(entries)
    sharp, plain = twin(run, 0.0, method)
    told = plain.about
    soft, blurred = twin(run, 2.0, method)
    assert list(soft) == list(sharp)
    assert blurred.pairs().equals(plain.pairs())
    assert len(blurred.pairs()) == len(rows)
    assert (told.get("blur"), blurred.about["blur"]) == (None, 2.0)
    for name, image in soft.items():
        reference = scipy.ndimage.gaussian_filter(
            sharp[name].astype(float), (2, 2, 0), mode="nearest", radius=6
        )
        assert np.abs(image - reference).max() <= 2
        assert np.abs(sharp[name] - reference).max() > 20
