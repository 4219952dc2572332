from pipeline.sources import none


def test_it_yields_nothing_and_needs_no_place(tmp_path):
    source = none.build(none.Params(), tmp_path / "nowhere", {})
    assert list(source.samples()) == []
    assert source.pairs() == []
    assert source.about() == {}
