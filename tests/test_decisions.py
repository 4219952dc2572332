"""Decisions about overlap: what is read, and what is refused with its entry."""

import pytest

from pipeline.decisions import Decision, DecisionsError, check_names, read

ENTRY = "{dataset: casia, who: anna, benchmark: lfw, matched: Ann_Lee, verdict: accept}"


def write(folder, *entries):
    (folder / "decisions.yaml").write_text("".join(f"- {entry}\n" for entry in entries))
    return folder


def test_no_folder_no_file_and_an_empty_file_decide_nothing(tmp_path):
    assert read(tmp_path / "none") == read(tmp_path) == []
    (tmp_path / "decisions.yaml").write_text("# nothing yet\n")
    assert read(tmp_path) == []
    (tmp_path / "empty").touch()
    assert read(tmp_path / "empty") == [], "data/models/none stands for no decisions"


def test_entries_are_read_in_order(tmp_path):
    found = read(
        write(tmp_path, ENTRY, ENTRY.replace("anna", '"0001"').replace("accept", "reject, note: hat"))
    )
    first = {"dataset": "casia", "who": "anna", "benchmark": "lfw", "matched": "Ann_Lee", "verdict": "accept"}
    assert found[0] == Decision(**first)
    assert (found[1].who, found[1].verdict, found[1].note) == ("0001", "reject", "hat")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("accept", "undecided"), "entry 2: verdict: input should be 'accept' or 'reject', not 'undecided'"),
        (
            ("anna", "0001234"),
            "entry 2: who: input should be a valid string, not .* .quote an identity of digits",
        ),
        (("who: anna, ", ""), "entry 2: who: field required"),
        (("who: anna", "who: bo, sex: f"), "entry 2: sex: extra inputs are not permitted"),
        ((ENTRY, "casia"), "entry 2: the entry: "),
        (("casia", "casia "), "entry 2: entry 1 is about the same pair"),
        (("{dataset", "[dataset"), "decisions.yaml: not YAML: "),
    ],
)
def test_what_is_wrong_is_told_with_its_entry(tmp_path, change, said):
    with pytest.raises(DecisionsError, match=said):
        read(write(tmp_path, ENTRY, ENTRY.replace(*change)))


def test_a_map_is_no_list(tmp_path):
    (tmp_path / "decisions.yaml").write_text("dataset: casia\n")
    with pytest.raises(DecisionsError, match=r"decisions\.yaml: should be a list"):
        read(tmp_path)


def test_datasets_that_nobody_compares_are_named(tmp_path):
    decisions = read(write(tmp_path, ENTRY))
    check_names(tmp_path, decisions, ["casia"], ["lfw", "cfp"])
    with pytest.raises(DecisionsError, match="entry 1: dataset 'casia' is not compared here, but photos"):
        check_names(tmp_path, decisions, ["photos"], ["lfw"])
    with pytest.raises(DecisionsError, match="entry 1: benchmark 'lfw' is not compared here, but nothing"):
        check_names(tmp_path, decisions, ["casia"], [])
