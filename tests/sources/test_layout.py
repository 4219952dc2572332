"""Every layout in its form at toy size: identities, attributes, lists, pairs; what is wrong is named."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline import records
from pipeline.sources import Skipped, SourceError, _layouts, layout


def source(raw, name, **params):
    return layout.build(layout.Params(layout=name, **params), raw, {})


def told(found):
    """sample id -> what is known of it."""
    return {s.sample_id: s for s in found.samples() if not isinstance(s, Skipped)}


def reasons(found):
    return {s.sample_id: s.reason for s in found.samples() if isinstance(s, Skipped)}


def rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def mat(**variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def test_every_layout_has_a_toy():
    here = Path(__file__).read_text()
    assert all(f'"{name}"' in here for name in _layouts.LAYOUTS)


@pytest.mark.parametrize("form", ["folder", ".tar", ".zip", ".tgz"])
def test_lfw(lay, jpeg, form):
    names = ["Al/Al_0001", "Al/Al_0002", "Bo_Li/Bo_Li_0001"]
    entries = {f"lfw/{name}.jpg": jpeg(i) for i, name in enumerate(names)}
    entries["pairs.txt"] = b"1\nAl\t1\t2\nAl\t2\tBo_Li\t1\n"
    found = source(lay(entries, form), "lfw")
    assert [(s.identity, s.name) for s in found.samples()] == [("Al", "Al")] * 2 + [("Bo_Li", "Bo_Li")]
    same = {"protocol": "lfw", "fold": 0, "a": "lfw/Al/Al_0001.jpg", "b": "lfw/Al/Al_0002.jpg", "same": True}
    assert found.pairs()[0] == same
    assert found.about()["layout"] == "lfw"


def test_lfw_with_strangers_in_it(lay, jpeg):
    entries = {"lfw/Al/Al_0001.jpg": jpeg(), "lfw/Al/Bo_0001.jpg": jpeg(), "lfw/Al/x.jpg": jpeg()}
    found = source(lay(entries), "lfw", pairs=False)
    assert len(told(found)) == 1
    assert reasons(found) == {
        "lfw/Al/Bo_0001.jpg": "lfw/Al/Bo_0001.jpg: the folder is not the person's name",
        "lfw/Al/x.jpg": "its name is not <folder>/<identity>_*.*, as lfw has",
    }
    with pytest.raises(SourceError, match=r"should hold one file pairs\.txt, it holds none"):
        source(lay(entries), "lfw")


def cfp_entries(jpeg, people=2):
    entries, lists = {}, {"F": [], "P": []}
    for who in range(1, people + 1):
        for kind, name, count in (("F", "frontal", 10), ("P", "profile", 4)):
            for i in range(1, count + 1):
                path = f"Data/Images/{who:03d}/{name}/{i:02d}.jpg"
                entries[f"cfp-dataset/{path}"] = jpeg(0)
                lists[kind].append(f"{len(lists[kind]) + 1} ../{path}\n")
    for kind, lines in lists.items():
        entries[f"cfp-dataset/Protocol/Pair_list_{kind}.txt"] = "".join(lines).encode()
    return entries


@pytest.mark.parametrize("kind", ["FP", "FF"])
def test_cfp(lay, jpeg, kind):
    """With names of layouts "cfp_fp" and "cfp_ff"."""
    entries = cfp_entries(jpeg)
    for fold in ("01", "02"):
        for name in ("FP", "FF"):
            same, diff = (b"1,2\n11,6\n", b"1,5\n11,4\n") if name == "FP" else (b"1,2\n11,12", b"1,11\n12,3")
            entries[f"cfp-dataset/Protocol/Split/{name}/{fold}/same.txt"] = same
            entries[f"cfp-dataset/Protocol/Split/{name}/{fold}/diff.txt"] = diff
    found = source(lay(entries), f"cfp_{kind.lower()}")
    images, rows = told(found), found.pairs()
    assert len(images) == 28
    assert [row["fold"] for row in rows] == [0] * 4 + [1] * 4
    assert all((images[r["a"]].identity == images[r["b"]].identity) == r["same"] for r in rows)
    assert all("frontal" in r["a"] and ("profile" if kind == "FP" else "frontal") in r["b"] for r in rows)


@pytest.mark.real
def test_cfp_s_own_lists(real, tmp_path, jpeg):
    """Facts of the devkit: ten folds of 350 same and 350 different pairs, frontal against profile."""
    (tmp_path / "cfp_protocol_fiducials.tgz").symlink_to(real / "cfp_protocol_fiducials.tgz")
    with tarfile.open(tmp_path / "images.tar", "w") as file:
        for who in range(1, 501):
            for i in range(14):
                name = f"{'frontal' if i < 10 else 'profile'}/{i + 1 if i < 10 else i - 9:02d}"
                member = tarfile.TarInfo(f"cfp-dataset/Data/Images/{who:03d}/{name}.jpg")
                file.addfile(member, io.BytesIO(b""))
    for kind in ("fp", "ff"):
        found = source(tmp_path, f"cfp_{kind}")
        rows = found.pairs()
        people = [[row[side].split("/")[-3] for row in rows] for side in "ab"]
        assert len(rows) == 7000
        assert [a == b for a, b in zip(*people, strict=True)] == [row["same"] for row in rows]
        assert {
            sum(r["fold"] == fold and r["same"] == same for r in rows)
            for fold in range(10)
            for same in (0, 1)
        } == {350}


def blufr_mat(names, splits, labels=None, **other):
    """blufr_lfw_config.mat as the toolkit has it: cells of names, columns of uint16 counted from 1."""

    def cells(rows):
        found = np.empty((len(rows), 1), object)
        for row, value in enumerate(rows):
            found[row, 0] = value
        return found

    def column(numbers):
        return np.array(numbers, np.uint16).reshape(-1, 1)

    people = list(dict.fromkeys(name.rpartition("_")[0] for name in names))
    labels = labels or [people.index(name.rpartition("_")[0]) + 1 for name in names]
    parts = dict(zip(("testIndex", "galIndex", "probIndex"), zip(*splits, strict=True), strict=True))
    indices = {name: cells([column(rows) for rows in part]) for name, part in parts.items()}
    return mat(imageList=cells([f"{name}.jpg" for name in names]), labels=column(labels), **indices, **other)


BLUFR_NAMES = ["Al_0001", "Al_0002", "Bo_Li_0001", "Cy_0001", "Cy_0002"]
BLUFR_SPLITS = [([1, 2, 3], [1], [2, 3]), ([2, 4, 5], [4], [2, 5])]


def blufr_entries(jpeg, **changed):
    names = [f"{name.rpartition('_')[0]}/{name}" for name in BLUFR_NAMES]
    entries = {f"lfw/{name}.jpg": jpeg(k) for k, name in enumerate(names)}
    made = {"names": BLUFR_NAMES, "splits": BLUFR_SPLITS, **changed}
    entries["BLUFR/config/lfw/blufr_lfw_config.mat"] = blufr_mat(**made)
    return entries


def test_blufr(lay, jpeg):
    entries = blufr_entries(jpeg)
    for name, form in (("blufr", "folder"), ("blufr", ".zip")):
        found = source(lay(entries, form), name)
        splits = found.lists()["splits"]
        assert splits.schema == records.SPLITS
        assert rows(splits) == [
            ("blufr", 0, "gallery", "Al", "lfw/Al/Al_0001.jpg"),
            ("blufr", 0, "probe", "Al", "lfw/Al/Al_0002.jpg"),
            ("blufr", 0, "probe", "Bo_Li", "lfw/Bo_Li/Bo_Li_0001.jpg"),
            ("blufr", 1, "gallery", "Cy", "lfw/Cy/Cy_0001.jpg"),
            ("blufr", 1, "probe", "Al", "lfw/Al/Al_0002.jpg"),
            ("blufr", 1, "probe", "Cy", "lfw/Cy/Cy_0002.jpg"),
        ]
        assert found.pairs() == []
        assert found.about()["splits"] == 2
    assert source(lay(entries), "blufr", pairs=False).lists() == {}
    pairs = {"pairs.txt": b"1\t1\nAl\t1\t2\nAl\t1\tCy\t2\n"}
    beside = source(lay(entries | {f"lfw/{name}": text for name, text in pairs.items()}), "lfw")
    assert len(beside.pairs()) == 2
    assert beside.lists()["splits"].equals(splits)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [1, 1, 1, 3, 3]}, r"image 3 \(Bo_Li_0001\): label 1 is of Al, Bo_Li has label 1"),
        ({"labels": [1, 2, 3, 4, 4]}, r"image 2 \(Al_0002\): label 2 is of Al, Al has label 1"),
        ({"labels": [1, 1]}, "5 names in imageList and 2 labels"),
        ({"splits": [([1, 2, 6], [1], [2, 6])]}, "split 0: images count from 1 to 5"),
        (
            {"splits": [([1, 2], [1], [2]), ([1, 2, 3], [1], [2])]},
            "split 1: testIndex should be galIndex and",
        ),
        ({"splits": [([1, 2, 2], [1, 2], [2])]}, "split 0 has image 2 twice"),
        (
            {"names": ["Al_0001", "Al_0009"], "splits": [([1, 2], [1], [2])]},
            "image 2, names Al_0009, which is",
        ),
    ],
)
def test_blufr_lists_that_err(lay, jpeg, changed, message):
    with pytest.raises(SourceError, match=rf"blufr_lfw_config\.mat.*{message}"):
        source(lay(blufr_entries(jpeg, **changed)), "blufr")


def test_blufr_needs_its_list(lay, jpeg):
    with pytest.raises(SourceError, match=r"should hold one file blufr_lfw_config\.mat, it holds none"):
        source(lay({"lfw/Al/Al_0001.jpg": jpeg()}), "blufr")
    file = "BLUFR/config/lfw/blufr_lfw_config.mat"
    with pytest.raises(SourceError, match="should hold imageList"):
        source(lay(blufr_entries(jpeg) | {file: mat(other=1)}), "blufr")


def agedb_splits(folds):
    def image(name):
        cell = np.empty((1, 1), [("name", object)])
        cell[0, 0]["name"] = name
        return cell

    splits = np.empty((len(folds), 1), object)
    for i, pairs in enumerate(folds):
        table = np.empty((2, len(pairs)), object)
        for j, (a, b, _) in enumerate(pairs):
            table[0, j], table[1, j] = image(a), image(b)
        record = np.empty((1, 1), [("pairs", object), ("labels", object)])
        record[0, 0]["pairs"], record[0, 0]["labels"] = table, np.array([[k for *_, k in pairs]])
        splits[i, 0] = record
    return mat(splits=splits)


def test_agedb_30(lay, jpeg):
    names = ["16_MariaCallas_35_f", "17_MariaCallas_40_f", "900_BoLi_8_m"]
    entries = {f"AgeDB/{name}.jpg": jpeg(i) for i, name in enumerate(names)}
    entries["AgeDB/9_Who_x_f.jpg"] = jpeg()
    folds = [[(names[0], names[1], 1), (names[0], names[2], -1)], [(names[1], names[2], -1)]]
    entries["splits_30.mat"] = agedb_splits(folds)
    found = source(lay(entries), "agedb_30")
    first = told(found)["AgeDB/16_MariaCallas_35_f.jpg"]
    assert (first.identity, first.name, first.age, first.gender) == ("MariaCallas", "MariaCallas", 35, 0)
    assert [(r["fold"], r["a"][6:8], r["b"][6:8], r["same"]) for r in found.pairs()] == [
        (0, "16", "17", True),
        (0, "16", "90", False),
        (1, "17", "90", False),
    ]
    assert list(reasons(found)) == ["AgeDB/9_Who_x_f.jpg"]
    entries["splits_30.mat"] = mat(other=1)
    with pytest.raises(SourceError, match=r"splits_30\.mat should hold 'splits'"):
        source(lay(entries), "agedb_30")
    entries["splits_30.mat"] = b"MATLAB 5.0"
    with pytest.raises(SourceError, match=r"splits_30\.mat can't be read as MATLAB's"):
        source(lay(entries), "agedb_30")


@pytest.mark.parametrize(("name", "file"), [("calfw", "pairs_CALFW.txt"), ("cplfw", "pairs_CPLFW.txt")])
def test_halves(lay, jpeg, name, file):
    people = [f"P{i}" for i in range(20)]
    entries = {f"{name}/aligned images/{p}_000{k}.jpg": jpeg(k) for p in people for k in (1, 2)}
    same = [f"{p}_0001.jpg {1 + i // 2}\n{p}_0002.jpg {1 + i // 2}\n" for i, p in enumerate(people)]
    other = [
        f"{p}_0001.jpg 0\n{q}_0002.jpg 0\n" for p, q in zip(people, people[1:] + people[:1], strict=True)
    ]
    entries[f"{name}/{file}"] = "".join(same + other).encode()
    found = source(lay(entries), name)
    rows = found.pairs()
    assert [row["fold"] for row in rows] == [i // 2 for i in range(20)] * 2
    assert [row["same"] for row in rows] == [True] * 20 + [False] * 20
    assert told(found)[rows[0]["b"]].name == "P0"
    for text, message in (
        (b"P0_0001.jpg 1\nP0_0002.jpg 0\n", "line 1: should be '<file> <label>', twice with one label"),
        (b"P0_0001.jpg 1\n", "holds 1 lines, not two a pair"),
        (b"P0_0001.jpg 1\nP9_0009.jpg 1\n", r"line 1 names P9_0009\.jpg, which is not in"),
    ):
        with pytest.raises(SourceError, match=message):
            source(lay(entries | {f"{name}/{file}": text}), name)


def ytf_entries(jpeg):
    entries = {}
    for who in ("Al", "Bo"):
        lines = []
        for video in (0, 3):
            for frame in (7, 8):
                entries[f"YouTubeFaces/frame_images_DB/{who}/{video}/{video}.{frame}.jpg"] = jpeg(frame)
                lines.append(f"{who}\\{video}\\{video}.{frame}.jpg,0,10,12,6,8,0.0,1\n")
        entries[f"YouTubeFaces/frame_images_DB/{who}.labeled_faces.txt"] = "".join(lines).encode()
    entries["YouTubeFaces/aligned_images_DB/Al/0/aligned_detect_0.7.jpg"] = jpeg()
    names = np.array(["Al/0", "Al/3", "Bo/0", "Bo/3"], object).reshape(-1, 1)
    splits = np.array([[[1, 2, 1], [1, 3, 0]], [[3, 4, 1], [2, 4, 0]]]).transpose(1, 2, 0)
    entries["YouTubeFaces/meta_data/meta_and_splits.mat"] = mat(video_names=names, Splits=splits)
    return entries


def test_ytf(lay, jpeg):
    entries = ytf_entries(jpeg)
    found = source(lay(entries), "ytf")
    images = told(found)
    assert len(images) == len(found) == 8
    face = images["YouTubeFaces/frame_images_DB/Al/3/3.8.jpg"]
    assert (face.identity, face.name, face.box) == ("Al", "Al", [7, 8, 6, 8])
    templates = found.templates()
    assert rows(templates.pairs) == [
        (0, "Al/0", "Al/3", True),
        (0, "Al/0", "Bo/0", False),
        (1, "Bo/0", "Bo/3", True),
        (1, "Al/3", "Bo/3", False),
    ]
    frame = "YouTubeFaces/frame_images_DB/Al/0/0.7.jpg"
    assert rows(templates.members)[0] == ("Al/0", "Al/0", frame)
    lists = found.lists()
    assert list(lists) == ["templates", "template_pairs"]
    assert all(table.schema == records.LISTS[name] for name, table in lists.items())
    assert rows(lists["templates"])[0] == ("Al/0", "Al", frame, "Al/0")
    assert rows(lists["template_pairs"])[:2] == [
        ("ytf", 0, "Al/0", "Al/3", True),
        ("ytf", 0, "Al/0", "Bo/0", False),
    ]
    assert lists["template_pairs"]["fold"].to_pylist() == [0, 0, 1, 1]
    assert found.pairs() == []
    assert {**found.about(), "built_from": ""} == {
        "layout": "ytf",
        "built_from": "",
        "templates": 4,
        "template_pairs": 4,
    }
    del (
        entries["YouTubeFaces/frame_images_DB/Bo/3/3.7.jpg"],
        entries["YouTubeFaces/frame_images_DB/Bo/3/3.8.jpg"],
    )
    with pytest.raises(SourceError, match=r"names the video Bo/3, of which .* holds no frame"):
        source(lay(entries, ".zip"), "ytf")


@pytest.mark.parametrize(("name", "gallery"), [("ijbb", "S1"), ("ijbc", "G1")])
def test_ijb(lay, jpeg, name, gallery):
    points = " ".join(str(v) for v in range(1, 11))
    entries = {f"IJB/loose_crop/{i}.jpg": jpeg(i) for i in (1, 2, 3)}
    meta = {
        f"{name}_name_5pts_score.txt": "".join(f"{i}.jpg {points} 0.99\n" for i in (1, 2, 3)),
        f"{name}_face_tid_mid.txt": "1.jpg 10 69\n2.jpg 10 69\n3.jpg 11 70\n",
        f"{name}_template_pair_label.txt": "10 11 0\n10 10 1\n",
        f"{name}_1N_gallery_{gallery}.csv": "TEMPLATE_ID,SUBJECT_ID\n10,5\n",
        f"{name}_1N_probe_mixed.csv": "TEMPLATE_ID,SUBJECT_ID\n11,6\n",
    }
    entries |= {f"IJB/meta/{file}": text.encode() for file, text in meta.items()}
    found = source(lay(entries), name)
    images = told(found)
    assert [(s.identity, s.name, s.points5) for s in images.values()] == [
        (who, None, [float(v) for v in range(1, 11)]) for who in ("5", "5", "6")
    ]
    templates = found.templates()
    assert rows(templates.members)[2] == ("11", "70", "IJB/loose_crop/3.jpg")
    assert rows(templates.pairs) == [("10", "11", False), ("10", "10", True)]
    lists = found.lists()
    assert all(table.schema == records.LISTS[kind] for kind, table in lists.items())
    assert [row[:2] for row in rows(lists["templates"])] == [("10", "5"), ("10", "5"), ("11", "6")]
    assert rows(lists["template_pairs"]) == [(name, 0, "10", "11", False), (name, 0, "10", "10", True)]
    search = f"{name}_gallery_{gallery}"
    assert rows(lists["searches"]) == [(search, "gallery", "10"), (search, "unmated", "11")]
    assert source(lay(entries), name, pairs=False).lists() == {}
    assert templates.sets == {f"gallery_{gallery}": ["10"], "probe_mixed": ["11"]}
    for file, text, message in (
        (f"{name}_face_tid_mid.txt", b"1.jpg 10\n", "line 1: 2 fields, not 3"),
        (f"{name}_face_tid_mid.txt", b"1.jpg 10 1\n2.jpg 10\n", "line 2: 2 fields, not 3"),
        (f"{name}_face_tid_mid.txt", b"", "can't be read as 3 fields a line"),
        (f"{name}_face_tid_mid.txt", b"9.jpg 10 1\n", r"names loose_crop/9\.jpg, which is not in"),
        (f"{name}_template_pair_label.txt", b"10 99 1\n", "line 1: '10 99 1' should be two known templates"),
        (f"{name}_name_5pts_score.txt", b"1.jpg 1 2\n", "line 1 has 3 fields, not 12"),
    ):
        with pytest.raises(SourceError, match=message):
            source(lay(entries | {f"IJB/meta/{file}": text}), name)
        lay(entries)


def test_megaface_and_facescrub_without_their_noises(lay, jpeg):
    """Layouts "megaface" and "facescrub"."""
    entries = {
        "megaface_images/375/37531198@N00/4174611825_0.jpg": jpeg(1),
        "megaface_images/375/37531198@N00/4174611825_1.jpg": jpeg(2),
        "facescrub_images/Al_Li/Al_Li_1.png": jpeg(3, ".png"),
        "facescrub_images/Al_Li/Al_Li_2.png": jpeg(4, ".png"),
        "megaface_noises.txt": b"#rules\n375/37531198@N00/4174611825_1.jpg\n",
        "facescrub_noises.txt": b"#rules\nx\tAl_Li_2.png\n",
    }
    raw = lay(entries)
    found = source(raw, "megaface", below="megaface_images", noises=["megaface_noises.txt"])
    [distractor] = found.samples()
    assert (distractor.identity, distractor.name) == (None, None)
    assert found.about()["noises_left_out"] == 1
    [probe] = source(raw, "facescrub", below="facescrub_images", noises=["facescrub_noises.txt"]).samples()
    assert (probe.sample_id, probe.identity, probe.name) == (
        "facescrub_images/Al_Li/Al_Li_1.png",
        "Al_Li",
        "Al_Li",
    )


def test_searches_of_megaface_and_survface(lay, jpeg):
    """Layouts "megaface_facescrub" and "survface_1n"; their numbers: tests/stages/test_official_lists.py."""
    entries = {f"f/{who}/{who}_{k}.png": jpeg(k, ".png") for who in ("Al", "Bo") for k in (1, 2)}
    entries |= {f"m/375/3@N00/{k}.jpg": jpeg(k) for k in (5, 6)}
    probes = {"path": ["Bo/Bo_2.png", "Al/Al_1.png", "Bo/Bo_1.png"], "id": ["Bo", "Al", "Bo"]}
    entries["devkit/facescrub_features_list.json"] = json.dumps(probes).encode()
    entries["devkit/megaface_features_list.json_1_1"] = b'{"path": ["375/3@N00/6.jpg"]}'
    found = source(lay(entries), "megaface_facescrub")
    assert rows(found.lists()["searches"]) == [
        ("megaface_facescrub", role, path)
        for role, path in (
            ("gallery", "f/Bo/Bo_2.png"),
            ("gallery", "f/Al/Al_1.png"),
            ("mated", "f/Bo/Bo_1.png"),
            ("distractor", "m/375/3@N00/6.jpg"),
        )
    ]
    people = [(one.sample_id[-8:], one.identity) for one in found.samples()]
    assert people == [("Al_1.png", "Al"), ("Bo_1.png", "Bo"), ("Bo_2.png", "Bo"), ("00/6.jpg", None)]
    assert found.about()["in_no_list"] == 2
    assert len(list(source(lay(entries), "megaface_facescrub", pairs=False).samples())) == 6


def test_survface(lay, jpeg):
    """Layouts "survface" and "survface_train"."""
    root = "QMUL-SurvFace"
    names = ["5_cam1_1.jpg", "5_cam2_1.jpg", "6_cam1_1.jpg"]
    entries = {
        f"{root}/Face_Verification_Test_Set/verification_images/{n}": jpeg(i) for i, n in enumerate(names)
    }
    entries[f"{root}/training_set/17/17_cam2_3.jpg"] = jpeg()
    for kind, pairs in (("positive", [names[:2]]), ("negative", [names[1:], [names[0], names[2]]])):
        file = f"{root}/Face_Verification_Test_Set/{kind}_pairs_names.mat"
        entries[file] = mat(**{f"{kind}_pairs_names": np.array(pairs, object)})
    raw = lay(entries)
    found = source(raw, "survface")
    assert [s.identity for s in found.samples()] == ["5", "5", "6"]
    assert [row["same"] for row in found.pairs()] == [True, False, False]
    assert "unverified" in found.about()["built_from"]
    [trained] = source(raw, "survface_train", below=f"{root}/training_set").samples()
    assert (trained.identity, trained.name) == ("17", None)


def test_vggface2(lay, jpeg):
    entries = {
        "train/n000002/0001_01.jpg": jpeg(1),
        "train/n000003/0002_01.jpg": jpeg(2),
        "identity_meta.csv": b'Class_ID, Name, Sample_Num, Flag, Gender\nn000002, "A,_Bo", 9, 1, f\n',
        "loose_landmark_train.csv": (
            b"NAME_ID,P1X,P1Y,P2X,P2Y,P3X,P3Y,P4X,P4Y,P5X,P5Y\n" + b'"n000002/0001_01",1,2,3,4,5,6,7,8,9,10\n'
        ),
        "loose_bb_train.csv": b'NAME_ID,X,Y,W,H\n"n000002/0001_01",1,2,30,40\n',
    }
    one, two = source(lay(entries), "vggface2").samples()
    assert (one.identity, one.name, one.gender, one.box) == ("n000002", "A,_Bo", 0, [1, 2, 30, 40])
    assert one.points5 == [float(v) for v in range(1, 11)]
    assert (two.identity, two.name, two.gender, two.box, two.points5) == ("n000003", None, None, None, None)


def test_casia(lay, jpeg):
    [sample] = source(lay({"CASIA-WebFace/0000045/001.jpg": jpeg()}), "casia").samples()
    assert (sample.identity, sample.name) == ("0000045", None)


def test_celeba(lay, jpeg):
    parts = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    landmarks = " ".join(f"{part}_{axis}" for part in parts for axis in "xy")
    entries = {
        "Img/img_align_celeba/000001.jpg": jpeg(1),
        "Img/img_align_celeba/000002.jpg": jpeg(2),
        "Anno/identity_CelebA.txt": b"000001.jpg 2880\n000002.jpg 7\n",
        "Anno/list_attr_celeba.txt": b"2\nBald Male \n000001.jpg -1 -1\n000002.jpg  1  1\n",
        "Anno/list_landmarks_align_celeba.txt": (
            f"2\n{landmarks} \n000001.jpg  69  109  106  113   77  142   73  152  108  154\n".encode()
        ),
    }
    one, two = source(lay(entries), "celeba").samples()
    assert (one.identity, one.name, one.gender) == ("2880", None, 0)
    assert one.points5 == [69, 109, 106, 113, 77, 142, 73, 152, 108, 154]
    assert (two.identity, two.gender, two.points5) == ("7", 1, None)
    entries["Anno/list_attr_celeba.txt"] = b"2\nBald \n000001.jpg -1\n"
    with pytest.raises(SourceError, match=r"list_attr_celeba\.txt has no column 'Male', only image_id, Bald"):
        source(lay(entries), "celeba")


def test_fairface(lay, jpeg):
    lines = "file,age,gender,race,service_test\ntrain/1.jpg,50-59,Male,East Asian,True\n"
    entries = {"train/1.jpg": jpeg(1), "val/1.jpg": jpeg(2), "fairface_label_train.csv": lines.encode()}
    entries["fairface_label_val.csv"] = (
        b"file,age,gender,race,service_test\nval/1.jpg,more than 70,Female,White,False\n"
    )
    one, two = source(lay(entries), "fairface").samples()
    assert (one.identity, one.age, one.gender, one.race) == (None, 54.5, 1, 1)
    assert (two.age, two.gender, two.race) == (75, 0, 4)
    entries["fairface_label_val.csv"] = b"file,age,gender,race,service_test\nval/1.jpg,9,Female,White,False\n"
    with pytest.raises(SourceError, match=r"fairface_label_val\.csv line 2, age: '9' is none of 0-2, 3-9"):
        source(lay(entries), "fairface")
    with pytest.raises(SourceError, match=r"should hold fairface_label_\(train\|val\)\.csv: its labels"):
        source(lay({"train/1.jpg": jpeg()}, ".zip"), "fairface")


def test_utkface_and_its_dirt(lay, jpeg):
    names = [
        "26_1_2_20170116184024662",
        "100_0_4_2017",
        "61_1_20170109142408075",
        "44_3_0_2017",
        "999_0_0_2017",
    ]
    found = source(lay({f"{name}.jpg.chip.jpg": jpeg() for name in names}), "utkface", box="whole")
    images = told(found)
    face = images["26_1_2_20170116184024662.jpg.chip.jpg"]
    assert (face.identity, face.age, face.gender, face.race) == (None, 26, 0, 1)
    assert face.box == (-0.5, -0.5, 20, 24)
    assert images["100_0_4_2017.jpg.chip.jpg"].race is None
    wrong = reasons(found)
    assert wrong["44_3_0_2017.jpg.chip.jpg"].endswith("gender: '3' is none of 0, 1")
    assert wrong["61_1_20170109142408075.jpg.chip.jpg"].startswith(
        "its name is not <age>_<gender>_<race>_*.jpg"
    )
    assert wrong["999_0_0_2017.jpg.chip.jpg"].endswith("age: '999': should be from 0 to 130")


@pytest.mark.real
def test_utkface_as_it_is(real):
    """9,780 files, two of them without a gender or a race in their names."""
    found = source(real / "utkface_crop_part1.tar", "utkface")
    wrong = reasons(found)
    assert (len(found), len(wrong)) == (9780, 2)
    assert all("its name is not <age>_<gender>_<race>" in reason for reason in wrong.values())
    assert {(s.gender, s.race) for s in told(found).values()} == {
        (g, r) for g in (0, 1) for r in (0, 1, 2, 4, None)
    }


def test_below_starts_at_the_root(lay, jpeg):
    entries = {f"{folder}/0000045/001.jpg": jpeg() for folder in ("test", "train/test", "testing")}
    [sample] = source(lay(entries), "casia", below="test").samples()
    assert sample.sample_id == "test/0000045/001.jpg"
    with pytest.raises(SourceError, match="holds no image below other "):
        source(lay(entries), "casia", below="other")


def test_an_unknown_layout_and_a_place_without_one(lay, jpeg):
    with pytest.raises(SourceError, match=r"no layout 'lwf' \(did you mean 'lfw'\?\)"):
        source(lay({"a.jpg": jpeg()}), "lwf")
    with pytest.raises(SourceError, match=r"holds 1 images, none named .*identity.*, as casia has"):
        source(lay({"a.jpg": jpeg()}), "casia")
    with pytest.raises(SourceError, match="holds no image "):
        source(lay({"a.txt": b""}, ".zip"), "casia")
