"""Plugins by name."""

import pytest

from pipeline import plugin


def test_names_are_the_stems_of_files(tmp_path, monkeypatch):
    folder = tmp_path / "heads"
    folder.mkdir()
    for name in ("zeta.py", "alpha.py", "_helper.py", "__init__.py", "notes.txt"):
        (folder / name).touch()
    monkeypatch.setattr(plugin, "ROOT", tmp_path)
    assert plugin.names("heads") == ["alpha", "zeta"]


def test_a_name_is_loaded_and_an_unknown_one_gets_the_nearest():
    assert plugin.load("heads", "cosface").__name__ == "pipeline.heads.cosface"
    with pytest.raises(
        plugin.UnknownPluginError, match=r"no heads plugin 'cosfase' \(did you mean 'cosface'\?\)"
    ):
        plugin.load("heads", "cosfase")
    with pytest.raises(plugin.UnknownPluginError, match="no family 'haeds'"):
        plugin.names("haeds")


@pytest.mark.parametrize("name", ["", "../params", "__init__", "_helper", "os.path"])
def test_only_files_of_the_family_are_loaded(name):
    with pytest.raises(plugin.UnknownPluginError):
        plugin.load("heads", name)


def test_suggestions():
    assert plugin.suggest("techer", ["teacher", "student"]) == " (did you mean 'teacher'?)"
    assert plugin.suggest("xyz", ["teacher", "student"]) == " (one of: teacher, student)"
    assert plugin.suggest("xyz", []) == plugin.nearest("xyz", []) == ""
    assert plugin.nearest("techer", ["teacher", "student"]) == "did you mean 'teacher'?"


def test_meaning_ignores_comments_and_docstrings_and_notices_code(tmp_path, monkeypatch):
    def digest(text):
        (tmp_path / "heads").mkdir(exist_ok=True)
        (tmp_path / "heads" / "a.py").write_text(text)
        return plugin.meaning("heads", "a")

    monkeypatch.setattr(plugin, "ROOT", tmp_path)
    plain = digest('"""One."""\ndef f(x):\n    """Two."""\n    return x + 1\n')
    assert digest('"""Other."""\n\n# why\ndef f(x):\n    return x + 1\n') == plain
    assert digest('"""One."""\ndef f(x):\n    """Two."""\n    return x + 2\n') != plain
