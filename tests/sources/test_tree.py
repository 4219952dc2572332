import pytest

from pipeline.sources import SourceError
from pipeline.sources._tree import Tree

FILES = {
    "b/2.jpg": b"two",
    "a/1.jpg": b"one",
    "notes.txt": b"text",
    "a/.hidden.jpg": b"",
    "__MACOSX/a/1.jpg": b"",
}
FORMS = ["folder", ".tar", ".tar.gz", ".tgz", ".zip"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_sorted_files(lay, form):
    tree = Tree(lay(FILES, form))
    assert tree.paths == ["a/1.jpg", "b/2.jpg", "notes.txt"]
    assert [tree.read(path) for path in tree.paths] == [b"one", b"two", b"text"]
    assert tree.read("a/1.jpg") == b"one"


@pytest.mark.parametrize("form", FORMS)
def test_a_link_with_the_dataset_s_name_is_followed(lay, tmp_path, form):
    (tmp_path / "dataset").symlink_to(lay(FILES, form))
    assert Tree(tmp_path / "dataset").paths == ["a/1.jpg", "b/2.jpg", "notes.txt"]


@pytest.mark.parametrize("form", FORMS[1:])
def test_archives_and_links_to_them_inside_a_folder_are_sub_folders(lay, tmp_path, form):
    packed = lay({"x/3.jpg": b"three"}, form)
    raw = lay(FILES)
    (raw / f"link{form}").symlink_to(packed)
    (raw / f"b/copy{form}").write_bytes(packed.read_bytes())
    tree = Tree(raw)
    assert tree.paths == sorted(
        ["a/1.jpg", "b/2.jpg", f"b/copy{form}/x/3.jpg", f"link{form}/x/3.jpg", "notes.txt"]
    )
    assert tree.read(f"link{form}/x/3.jpg") == tree.read(f"b/copy{form}/x/3.jpg") == b"three"


def test_links_to_folders_are_followed_but_not_in_circles(lay, tmp_path):
    raw = lay(FILES)
    (raw / "a" / "up").symlink_to(raw)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "9.jpg").write_bytes(b"nine")
    (raw / "more").symlink_to(tmp_path / "else")
    assert Tree(raw).paths == ["a/1.jpg", "b/2.jpg", "more/9.jpg", "notes.txt"]


def test_a_place_that_does_not_exist_or_is_no_place(tmp_path):
    with pytest.raises(SourceError, match="nowhere does not exist: put a folder or an archive there"):
        Tree(tmp_path / "nowhere")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match="dangling does not exist"):
        Tree(tmp_path / "dangling")
    (tmp_path / "file.txt").write_text("hello")
    with pytest.raises(SourceError, match="neither a folder nor an archive"):
        Tree(tmp_path / "file.txt")


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_cut_off_archive_is_named(lay, form):
    path = lay({f"{i}/x.jpg": bytes([i] * 3000) for i in range(20)}, form)
    path.write_bytes(path.read_bytes()[: 33 * 1024 if form == ".tar" else 300])
    with pytest.raises(SourceError, match=path.name.replace(".", r"\.")):
        Tree(path)


def test_of_members_with_one_name_the_last_counts(tmp_path):
    import io
    import tarfile

    with tarfile.open(tmp_path / "raw.tar", "w") as file:
        for data in (b"old", b"newer"):
            member = tarfile.TarInfo("./a.jpg")
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    tree = Tree(tmp_path / "raw.tar")
    assert tree.paths == ["a.jpg"]
    assert tree.read("a.jpg") == b"newer"


def test_lists_are_found_inside_alone(lay, tmp_path):
    tree = Tree(lay(FILES, ".tar"))
    (tmp_path / "list.csv").write_bytes(b"path")
    assert tree.read_list("notes.txt") == b"text"
    for outside in ("list.csv", str(tmp_path / "list.csv"), "../list.csv"):
        with pytest.raises(SourceError, match=r"list\.csv is not in .*raw\.tar"):
            tree.read_list(outside)


@pytest.mark.parametrize("form", FORMS[1:])
def test_an_archive_under_the_dataset_s_name_alone(lay, tmp_path, form):
    """Nothing in its name says what it is: its bytes do."""
    lay(FILES, form).rename(tmp_path / "casia")
    tree = Tree(tmp_path / "casia")
    assert tree.paths == ["a/1.jpg", "b/2.jpg", "notes.txt"]
    assert tree.read("a/1.jpg") == b"one"
