"""The row of an evaluation in a table."""

from pipeline.evaluate import summary


def test_a_summary_has_an_accuracy_a_protocol_and_says_what_could_not_be_audited():
    metrics = {
        "auditable": False,
        "cost": {"parameters": 5, "flops": None},
        "pairs": {"benchmarks": {"lfw": {"pairs": {"accuracy": {"mean": 0.98831}}}}},
    }
    assert summary.of(metrics) == {"parameters": 5, "pairs": 98.83, "overlap": "not auditable"}


def test_a_summary_has_the_first_ranks_of_templates_and_distractors():
    groups = {name: {"mean": {"cmc": {"rank_1": share}}} for name, share in (("ijbb", 0.5), ("ijbc", 0.75))}
    lists = {
        "camera": {"in_gallery": {}},
        "far": {"among_distractors": {"cmc": [{"rank_1": 1}, {"rank_1": 0.25}]}},
    }
    metrics = {
        "templates": {
            "benchmarks": {
                "ijb": {"identification": groups},
                "ytf": {"identification": {}, "verification": {"ytf": {"accuracy": {"mean": 0.957}}}},
            }
        },
        "searches": {"benchmarks": {"mega": {"lists": lists}}},
    }
    shown = summary.of(metrics)
    first = {"templates_rank_1": 62.5, "distractors_rank_1": 25.0}
    assert shown == {"ytf": 95.7, **first, "overlap": "audited"}


def test_a_line_says_what_can_not_be_audited():
    metrics = {"pairs": {"benchmarks": {"lfw": {"pairs": {"accuracy": {"mean": 0.98831}}}}}}
    assert summary.line(metrics) == "pairs 98.83"
    assert summary.line({**metrics, "auditable": False}) == "pairs 98.83, overlap not auditable"


def test_ends_are_those_of_accuracies_and_of_a_single_lists_rank():
    accuracy = {"mean": 0.98, "low": 0.97, "high": 0.99}
    mean = {"cmc": {"rank_1": 0.5}, "cmc_low": {"rank_1": 0.41239}, "cmc_high": {"rank_1": 0.6}}
    among = {"cmc": [{"rank_1": 0.25, "low": {"rank_1": 0.2}, "high": {"rank_1": 0.3}}]}
    groups = {"ijbb": {"mean": mean}}
    metrics = {
        "pairs": {
            "benchmarks": {"lfw": {"pairs": {"accuracy": accuracy}, "few": {"accuracy": {"mean": 1.0}}}}
        },
        "templates": {"benchmarks": {"ijb": {"identification": groups}}},
        "searches": {"benchmarks": {"mega": {"lists": {"far": {"among_distractors": among}}}}},
    }
    ends = summary.ends(metrics)
    assert ends == {
        "pairs": (97.0, 99.0), "templates_rank_1": (41.24, 60.0), "distractors_rank_1": (20.0, 30.0)
    }  # fmt: skip
    assert set(ends) < set(summary.of(metrics))
    groups["ijbc"] = {"mean": {"cmc": {"rank_1": 0.7}}}
    assert "templates_rank_1" not in summary.ends(metrics)
    assert summary.of(metrics)["templates_rank_1"] == 60.0


def test_a_summary_has_the_landmark_error_by_the_first_normaliser():
    nme = {"value": 0.0512, "low": 0.04, "high": 0.06}
    told = {"normalisers": {"box": {"nme": {**nme, "value": 0.02}}, "outer": {"nme": nme}}}  # as JSON sorts
    benchmarks = {"ibug": told, "lfw": {"note": "no face of it has landmarks"}}
    metrics = {"landmarks": {"settings": {"normalisers": ["outer", "box"]}, "benchmarks": benchmarks}}
    assert summary.of(metrics) == {"ibug_nme_outer": 5.12, "overlap": "audited"}
    assert summary.ends(metrics) == {"ibug_nme_outer": (4.0, 6.0)}
