"""What the evaluator refuses or flags, each by one clear sentence: the list of issue 5, in one place."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import (
    curves,
    distractors,
    exhaustive,
    fairness,
    folds,
    identify,
    templates,
    vectors,
)
from pipeline.evaluate.streaming import StreamingRoc
from pipeline.protocols import _lists, _templates, searches
from pipeline.protocols import templates as templates_protocol
from tests.protocols.worlds import World, bench

UNIT = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_embeddings_without_a_direction_are_named_wherever_they_come_in(value):
    broken = UNIT.copy()
    broken[2] = value
    with pytest.raises(vectors.BadEmbeddingError, match=r"'c' is (not finite|zero) \(1 of 4"):
        vectors.normalise(broken, list("abcd"))
    with pytest.raises(vectors.BadEmbeddingError, match="'c'"):
        vectors.fuse(np.stack([broken, broken], 1), "sum", list("abcd"))
    with pytest.raises(vectors.BadEmbeddingError, match="'c'"):
        templates.pool(broken, np.array([0, 0, 1, 1]), np.arange(4), flip="none", names=list("abcd"))
    with pytest.raises(vectors.BadEmbeddingError, match=r"row 2|sample 2"):
        distractors.megaface(UNIT, np.array([0, 0, 1, 1]), [broken], [4], [1], [])


def test_a_template_without_a_usable_image_and_one_that_is_not_there():
    usable = np.array([True, True, False, False])
    with pytest.raises(templates.TemplateError, match="template 1 has no usable image"):
        templates.pool(UNIT, np.array([0, 0, 1, 1]), np.arange(4), flip="none", usable=usable)
    lists = {}
    with pytest.raises(_templates.SearchListError, match=r"name the template t9, of which .* says nothing"):
        _templates.members("ijbc", None, lists, pd.Series(["t9"]))


@pytest.mark.parametrize("rate", ["far", "fpir"])
def test_rates_that_the_impostors_can_not_support_are_refused_and_few_are_flagged(rate):
    """1,000 impostors: FAR 1e-4 is a tenth of a false accept, 5e-3 are five."""
    genuine, impostors = np.linspace(0.5, 1, 50), np.linspace(0, 0.6, 1000)
    if rate == "far":
        curve = curves.steps(genuine, impostors)
        none, few, fine = (curves.tar_at_far(curve, far) for far in (1e-4, 5e-3, 0.05))
        name = "tar"
    else:
        scores = np.append(genuine, np.zeros(1000)).astype(np.float32)
        rank = np.append(np.ones(50, int), np.zeros(1000, int))
        other = np.append(np.zeros(50), impostors).astype(np.float32)
        curve = identify.open_set(identify.Found(scores, rank, other, 50))
        none, few, fine = (identify.tpir_at_fpir(curve, fpir) for fpir in (1e-4, 5e-3, 0.05))
        name = "tpir"
    assert (none[name], none["supported"]) == (None, False)
    assert "below 1: not measurable" in none["note"]
    assert few[name] is not None
    assert not few["supported"]
    assert "below 10: a rough value" in few["note"]
    assert fine["supported"]
    assert fine["note"] is None


def test_streamed_rates_are_refused_alike():
    state = StreamingRoc()
    state.add(np.linspace(0, 1, 1050), np.arange(1050) >= 1000)
    assert state.tar_at_far(1e-4)["tar"] is None
    assert "below 10" in state.tar_at_far(5e-3)["note"]


def test_lists_of_pairs_that_repeat_or_contradict_themselves():
    frame = pd.DataFrame({"a": ["x", "y", "x"], "b": ["y", "x", "z"], "same": [True, True, False]})
    assert _lists.repeats("lfw", "pairs", frame) == 1  # y, x is x, y once more: counted
    with pytest.raises(_lists.PairListError, match="'lfw', list 'pairs': y - x is called both"):
        _lists.repeats("lfw", "pairs", frame.assign(same=[True, False, False]))
    with pytest.raises(_lists.PairListError, match="row 2 pairs x with itself"):
        _lists.repeats("lfw", "pairs", frame.assign(b=["y", "x", "x"]))


def test_people_in_several_folds_are_named():
    a, b = np.array(["anna", "bob", "anna"]), np.array(["anna", "carl", "dora"])
    shared = folds.shared_identities(np.array([0, 0, 1]), a, b)
    assert folds.told(shared).startswith("identity 'anna' is in folds 0, 1 (1 identities are in several)")


def test_scores_that_are_no_numbers_and_faces_of_nobody():
    with pytest.raises(ValueError, match="1 scores are not finite"):
        curves.roc(np.array([0.1, np.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="row 1 has no identity"):
        exhaustive.all_pairs(UNIT[:2], np.array(["a", None], object), StreamingRoc())


@pytest.mark.parametrize(("value", "what"), [(np.nan, "not finite"), (0.0, "zero")])
@pytest.mark.parametrize("module", [templates_protocol, searches])
def test_a_broken_embedding_is_named_through_a_whole_protocol(module, value, what):
    world = World()
    names = [("ijb", f"{k}/gallery", f"{j}/probe_0", j == k) for k in range(4) for j in range(4)]
    world.give("template_pairs", names)
    roles = [("far", "gallery", f"{k}/gallery") for k in range(4)]
    world.give("searches", roles + [("far", "mated", f"{k}/probe_0") for k in range(4)])
    world.embeddings[world.faces.index("2/gallery/1")] = value
    with pytest.raises(vectors.BadEmbeddingError, match=rf"sample '2/gallery/1' is {what} \(1 of"):
        module.build(module.Params()).evaluate(bench(one=world))


def test_a_rate_of_cohorts_that_few_impostors_tell_is_flagged_and_one_below_one_refused():
    rng, count = np.random.default_rng(0), 400
    same = np.arange(count) < 100
    frame = pd.DataFrame({"a": [f"{k}a" for k in range(count)], "b": [f"{k}b" for k in range(count)]})
    frame = frame.assign(same=same, score=rng.normal(same), person_a=range(count), person_b=range(count))
    frame["person_b"] = np.where(same, frame["person_a"], frame["person_a"] + count)
    described = pd.DataFrame({"gender": rng.integers(0, 2, 2 * count), "yaw_degrees": 0.0})
    described.index = pd.Index([*frame["a"], *frame["b"]])
    for far, supported in ((0.1, True), (0.01, False)):  # 30 false accepts of 300, then 3
        found, _ = fairness.measured(frame, described, ["gender"], far, [0, 90], 0, 0)
        assert found["supported"] is supported
    refused, _ = fairness.measured(frame, described, ["gender"], 1e-3, [0, 90], 0, 0)
    assert refused == {"note": "300 impostor pairs can't tell a rate of 0.001"}
