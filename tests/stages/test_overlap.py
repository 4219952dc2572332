"""The overlap stage: which datasets it cleans and protects, and what it finds in small ones."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from pipeline import files, loader, records
from pipeline.decisions import DecisionsError
from pipeline.evaluate import evidence
from stages import overlap
from tests.stages.fakes import FakeRun
from tests.stages.measuring import DATA, contents, write_model, write_people

OUT = Path("data/prepared/overlap")
WITHIN = {"false_merges": "none", "precision": "none", "merge": False, "drop": False}
COPIES = {"radius": "none", "similarity": 0.9, "identity": False}


def test_the_table_has_what_training_reads_and_no_numbers():
    assert overlap.EXCLUSIONS.names == ["dataset", "sample_id"]
    assert {str(field.type) for field in overlap.EXCLUSIONS} == {"string"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Person 0 of `home` is in `test`, 1 in `val` and, by name, in `test`; 50, 51 of `wild` in `test`."""
    monkeypatch.chdir(tmp_path)
    names = {1: "Ann Lee", 2: "Bo"}
    write_people("data/prepared/crop/home", range(40), names=names)
    write_people("data/prepared/crop/wild", range(50, 60), seed=1, names={52: "ANN_LEE"})
    write_people("data/prepared/crop/val", [1, *range(70, 80)], seed=2)
    test = [0, 50, 51, *range(80, 95)]
    write_people("data/benchmarks/crop/test", test, seed=3, names={85: "ann lee"})
    write_model("data/models/scout")
    settings = {"model": "data/models/scout", "false_match_rate": 1e-3, "mutual_rate": 0.0}
    settings |= {"duplicates": COPIES, "band": 0.0, "decisions": "data/overlap", "within": dict(WITHIN)}
    return FakeRun(None, {"data": DATA, "overlap": settings})


def reasons():
    """The table of reasons, checked against the list of the same faces that training reads."""
    table, listed = (
        loader.read_parquet(OUT / name) for name in ("evidence/reasons.parquet", "exclusions.parquet")
    )
    assert list(table.columns) == evidence.REASONS.names
    assert listed.equals(table[overlap.EXCLUSIONS.names])
    return table


def test_finds_people_by_name_and_by_embedding(run):
    overlap.main(run)
    table = reasons()
    home, wild = (table[table["dataset"] == name].set_index("sample_id") for name in ("home", "wild"))
    assert set(home.loc["home000/0":"home000/3", "matched"]) == {"test000"}
    assert set(home.loc["home001/0":"home001/3", "reason"]) == {"name"}
    assert home.loc["home001/0", "benchmark"] == "test"
    assert set(wild["reason"]) == {"name", "embedding"}
    assert {"wild052/0", "wild050/1", "wild051/2"} <= set(wild.index)
    assert wild["identity"].isna().all()
    assert len(set(table["sample_id"])) == len(table) < 40
    assert loader.exclusions(OUT / "exclusions.parquet", "home") == set(home.index)
    assert run.told["removed"]["home"]["by_name"] == 4
    assert run.told["held_out"] is None
    people = table[table["dataset"] == "home"]["identity"].nunique()
    assert f"home: removed {people} of 40 people, {len(home)} of 160 faces" in run.said
    assert set(run.figures) == {"overlap/similarity.png", "overlap/removed.png"}


def test_people_of_the_validation_set_who_are_in_a_benchmark_go_too(run):
    """70 by embedding, 71 by name; validation isn't compared with itself, nor benchmarks with validation."""
    write_people("data/prepared/crop/seen", [1, *range(70, 80)], seed=4, names={71: "Ann Lee"})
    write_people("data/benchmarks/crop/lfw", [70, *range(80, 95)], seed=3, names={85: "ann lee"})
    run.params["data"] = DATA | {"validation": "seen", "benchmarks": ["lfw"]}
    overlap.main(run)
    table = reasons()
    seen = table[table["dataset"] == "seen"].set_index("sample_id")
    assert set(seen["identity"]) == {"seen070", "seen071"}
    assert set(seen["benchmark"]) == {"lfw"}
    assert set(seen.loc["seen070/0":"seen070/3", "reason"]) == {"embedding"}
    assert set(seen.loc["seen071/0":"seen071/3", "reason"]) == {"name"}
    assert "home001" in set(table["identity"]), "people of both go from training"
    assert loader.exclusions(OUT / "exclusions.parquet", "seen") == set(seen.index)
    told = run.told["removed"]
    assert (told["seen"]["removed_people"], told["seen"]["removed_faces"]) == (2, 8)
    assert {name: counts["roles"] for name, counts in told.items()} == {
        "home": ["labelled", "landmarked"], "wild": ["unlabelled"], "seen": ["validation"]}  # fmt: skip
    assert told["seen"]["expected_false_removals"] == pytest.approx(11 * (1 - (1 - 1e-3) ** 16))
    assert told["seen"]["supported"] is False


def test_validation_is_cleaned_where_nothing_is_trained_on(run):
    run.params["data"] = DATA | dict.fromkeys(("labelled", "unlabelled", "landmarked"), "none")
    overlap.main(run)
    assert list(run.told["removed"]) == ["val"]


def test_twice_the_same_and_held_out_people_are_read(run):
    identities = [f"home{person:03d}" for person in range(30, 40)]
    files.write_json("data/models/scout/holdout.json", {"dataset": "home", "identities": identities})
    overlap.main(run)
    first = contents(OUT)
    overlap.main(run)
    assert contents(OUT) == first
    assert run.told["held_out"] == 10
    assert run.told["thresholds"]["person-person"]["impostors"] == 10 * 30 + 45


def test_another_rate_that_removes_the_same_faces_gives_the_same_list(run):
    """A model that is trained on what is left is not trained again; the evidence tells the rates apart."""
    before = {}
    for rate in (1e-3, 1.1e-3):
        run.params["overlap"]["false_match_rate"] = rate
        overlap.main(run)
        before[rate] = contents(OUT), set(reasons()["threshold"].dropna())
    (first, lower), (second, higher) = before.values()
    assert lower
    assert lower.isdisjoint(higher)
    assert {str(path) for path in first if first[path] == second[path]} == {
        "exclusions.parquet",
        "evidence/borderline.parquet",
        "evidence/merges.parquet",
        "evidence/misplaced.parquet",
        "merged.parquet",
        "evidence/removed.png",
    }


def test_another_reason_for_the_same_face_gives_the_same_list(run):
    """Somebody who goes by embedding is accepted: nothing is trained again."""
    overlap.main(run)
    before = (OUT / "exclusions.parquet").read_bytes()
    assert set(reasons().set_index("sample_id").loc["home000/0":"home000/3", "reason"]) == {"embedding"}
    decide(decision("accept", "home000", "test000"))
    overlap.main(run)
    assert set(reasons().set_index("sample_id").loc["home000/0":"home000/3", "reason"]) == {"accepted"}
    assert (OUT / "exclusions.parquet").read_bytes() == before


def test_rates_follow_the_size_of_the_world(run):
    run.params["overlap"] |= {"false_match_rate": "size", "mutual_rate": "size"}
    run.params["sizes"] = {"demo": {"overlap": {"false_match_rate": 1e-4, "mutual_rate": 0.02}}}
    overlap.main(run)
    assert (run.told["false_match_rate"], run.told["mutual_rate"]) == (1e-4, 0.02)
    told = run.told["thresholds"]["person-person"]
    assert (told["rate"], told["mutual"] < told["value"]) == (1e-4, True)


def test_people_who_are_each_others_nearest_say_so(run):
    """With matches all but forbidden, 0 of home is still the nearest of 0 of test, and it of her."""
    run.params["overlap"] |= {"false_match_rate": 1e-15, "mutual_rate": 0.02}
    overlap.main(run)
    table = reasons().set_index("sample_id")
    assert set(table.loc["home000/0":"home000/3", "reason"]) == {"mutual"}
    told = run.told["thresholds"]["person-person"]
    assert set(table.loc["home000/0":"home000/3", "threshold"]) == {told["mutual"]}
    assert run.told["removed"]["home"]["by_mutual"] >= 4


def test_a_person_under_two_names_and_an_exchanged_image(run):
    folder = Path("data/prepared/crop/home")
    change = {f"home020/{shot}": "home020b" for shot in (2, 3)}
    change |= {f"home{person:03d}/0": f"home{person + 1:03d}" for person in range(28, 38)}
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for sample in records.Dataset(folder).samples():
            writer.add(dataclasses.replace(sample, identity=change.get(sample.sample_id, sample.identity)))
        writer.close({})
    run.params["overlap"]["within"] |= {"false_merges": 0.5, "precision": 0.5}
    overlap.main(run)
    assert "home020b" in set(loader.read_parquet(OUT / "evidence/merges.parquet")["identity"])
    listed = loader.read_parquet(OUT / "evidence/misplaced.parquet").set_index("sample_id")
    wrong = {sample for sample in listed.index if sample in change}
    assert len(wrong) >= 6
    assert sum(listed.loc[sample, "other"] == sample[:7] for sample in wrong) >= 5
    assert loader.merged(OUT / "merged.parquet", "home") == {}
    assert run.told["inside"]["home"]["misplaced"] == (listed["dataset"] == "home").sum()
    run.params["overlap"]["within"] |= {"merge": True, "drop": True}
    overlap.main(run)
    assert loader.merged(OUT / "merged.parquet", "home")["home020b"] == "home020"
    assert wrong <= loader.exclusions(OUT / "exclusions.parquet", "home")
    assert run.told["removed"]["home"]["by_misplaced"] >= 5
    assert {"overlap/merges.png", "overlap/misplaced.png"} <= set(run.figures)


def decide(*entries):
    files.write_text("data/overlap/decisions.yaml", yaml.safe_dump(list(entries)))


def decision(verdict, who, matched, dataset="home"):
    return {"dataset": dataset, "who": who, "benchmark": "test", "matched": matched, "verdict": verdict}


def test_pairs_near_the_threshold_are_listed_and_can_be_decided(run):
    """All within a band of 2: each pair is listed once, and not again once it is decided."""
    run.params["overlap"]["band"] = 1.0
    overlap.main(run)
    table = loader.read_parquet(OUT / "evidence/borderline.parquet")
    assert run.told["borderline"] == len(table)
    assert "overlap/borderline.png" in run.figures
    distance = (table["similarity"] - table["threshold"]).abs()
    assert distance.is_monotonic_increasing
    home = table[table["dataset"] == "home"].set_index("who")
    assert "home001" not in home.index, "her name decides"
    assert (home.loc["home000", "matched"], home.loc["home000", "goes"]) == ("test000", True)
    offered = yaml.safe_load((OUT / "evidence/borderline.yaml").read_text())
    assert [entry["who"] for entry in offered] == table["who"].tolist()
    stays = home.index[~home["goes"]][0]
    decide(decision("reject", "home000", "test000"), decision("accept", stays, home.loc[stays, "matched"]))
    overlap.main(run)
    gone, again = reasons(), loader.read_parquet(OUT / "evidence/borderline.parquet")
    assert set(gone.loc[gone["identity"] == stays, "reason"]) == {"accepted"}
    assert gone.loc[gone["identity"] == stays, "matched"].nunique() == 1
    pairs = set(zip(again["dataset"], again["who"], again["matched"], strict=True))
    assert not pairs & {("home", "home000", "test000"), ("home", stays, home.loc[stays, "matched"])}
    assert not (gone["matched"] == "test000")[gone["identity"] == "home000"].any()
    told = run.told["decisions"]
    assert (told["accepted"], told["rejected"], run.told["removed"]["home"]["by_accepted"]) == (1, 1, 4)


def test_a_rejected_name_and_a_rejected_copy_stay(run):
    copied = ["test082/0"]
    plant(Path("data/prepared/crop/home"), Path("data/benchmarks/crop/test"), copied)
    run.params["overlap"] |= {"false_match_rate": 1e-12, "duplicates": {**COPIES, "radius": 8}}
    overlap.main(run)
    assert {"home001/0", "copy/0"} <= set(reasons()["sample_id"])
    decide(decision("reject", "home001", "Ann Lee"), decision("reject", "copy/0", "test082"))
    overlap.main(run)
    table = reasons()
    assert "copy/0" not in set(table["sample_id"])
    assert not ((table["identity"] == "home001") & (table["benchmark"] == "test")).any()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (decision("accept", "home000", "test000", "hime"), "entry 1: dataset 'hime' is not compared here"),
        (
            decision("accept", "home999", "test000"),
            "entry 1, who: home has no identity and no sample 'home999'",
        ),
        (
            decision("accept", "home000", "nobody"),
            "entry 1, matched: test has no identity, no sample and no name",
        ),
    ],
)
def test_a_decision_about_nobody_is_refused(run, entry, said):
    decide(entry)
    with pytest.raises(DecisionsError, match=said):
        overlap.main(run)


def test_copied_images_go_their_people_stay(run):
    """Three photographs of `test` lie in `home`, as PNG and as JPEG, one of them mirrored."""
    copied = [f"test{person:03d}/{shot}" for person, shot in ((82, 0), (90, 1), (91, 3))]
    plant(Path("data/prepared/crop/home"), Path("data/benchmarks/crop/test"), copied)
    run.params["overlap"] |= {"false_match_rate": 1e-12, "duplicates": {**COPIES, "radius": 8}}
    overlap.main(run)
    table = reasons()
    mine = table[(table["reason"] == "duplicate") & (table["dataset"] == "home")].set_index("sample_id")
    expected = {f"copy/{number}": name for number, name in enumerate(copied)}
    assert mine["matched"].to_dict() == expected
    assert set(mine["identity"]) == {"home010"}
    assert (mine["similarity"] >= 0.9).all()
    assert run.told["removed"]["home"]["by_duplicate"] == 3
    assert "overlap/duplicates.png" in run.figures
    run.params["overlap"]["duplicates"] |= {"identity": True}
    overlap.main(run)
    table = reasons()
    assert set(table.loc[table["identity"] == "home010", "reason"]) == {"duplicate"}
    assert run.told["removed"]["home"]["by_duplicate"] == 3 + 4


def of_objects():
    """All sets as if they were of classes of objects."""
    for folder in (*Path("data/prepared/crop").iterdir(), *Path("data/benchmarks/crop").iterdir()):
        about = files.read_json(folder / "dataset.json")
        files.write_json(folder / "dataset.json", about | {"source": "image_labels"})


def test_among_people_somebody_is_looked_for(run):
    run.params["overlap"] |= {"false_match_rate": "none"}
    with pytest.raises(ValueError, match=r"home \(source None\) may hold people"):
        overlap.main(run)
    assert not OUT.exists()


def test_of_classes_of_objects_nobody_goes_by_embedding(run):
    """One image of the test is among what is trained on; names are names in any set."""
    plant(Path("data/prepared/crop/home"), Path("data/benchmarks/crop/test"), ["test082/0"])
    of_objects()
    run.params["overlap"] |= {"false_match_rate": "none", "duplicates": {**COPIES, "radius": 8}}
    overlap.main(run)
    table = reasons()
    home = table[table["dataset"] == "home"]
    assert set(home["reason"]) == {"duplicate", "name"}, "nobody by embedding"
    copies = home[home["reason"] == "duplicate"]
    assert "copy/0" in set(copies["sample_id"])
    assert (copies["similarity"] >= 0.9).all()
    assert len(copies) < 4, "nor all images of person 0"
    assert run.told["thresholds"] == {}
    assert run.told["removed"]["home"]["expected_false_removals"] is None
    assert run.told["removed"]["home"]["supported"] is None
    assert run.told["borderline"] == 0


def plant(folder, source, samples):
    """Append images of `source` to the person home010 of `folder`: as it is, as JPEG, mirrored."""
    other = records.Dataset(source)
    where = {sample: row for row, sample in enumerate(other.frame(["sample_id"])["sample_id"])}
    images = [other.image(where[sample]) for sample in samples]
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for sample in records.Dataset(folder).samples():
            writer.add(sample)
        for number, image in enumerate(images):
            encoded = records.encode(image[:, ::-1].copy() if number == 2 else image, 95 if number else 101)
            writer.add(records.Sample(f"copy/{number}", encoded, identity="home010"))
        writer.close({})


def test_the_list_is_in_order_of_dataset_and_face(run):
    """Validation faces too, which another comparison finds."""
    write_people("data/prepared/crop/aside", range(80, 85), seed=5)
    run.params["data"] = DATA | {"validation": "aside"}
    overlap.main(run)
    table = reasons()
    assert list(table["dataset"].unique()) == ["aside", "home", "wild"]
    assert table.equals(table.sort_values(["dataset", "sample_id"], ignore_index=True))


def test_nothing_to_protect_removes_nothing(run):
    run.params["data"] = DATA | {"benchmarks": [], "validation": "none"}
    overlap.main(run)
    assert len(loader.read_parquet(OUT / "exclusions.parquet")) == 0
