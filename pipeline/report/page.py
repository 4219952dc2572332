"""The page itself: gathers every part that is there and renders the template; same inputs, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.report import (
    datasets,
    errors,
    fairness,
    html,
    identification,
    landmarks,
    overlap,
    ranks,
    results,
    sections,
)
from pipeline.report.gather import Results

SETTINGS = (
    "pairs",
    "templates",
    "searches",
    "blufr",
    "classification",
    "fairness",
)  # protocols whose settings are shown


def build(data: Path, params: Mapping[str, Any]) -> str:
    """The report of the results under `data`, as one HTML page."""
    found = Results(data, params)
    scores, models = results.scores(found), results.rows(found)
    table = results.by_list(scores)
    return html.render(
        "page.html.j2",
        {
            "params": params,
            "datasets": datasets.describe(found),
            "overlap": overlap.overlap(found),
            "trainings": sections.trainings(found),
            "models": models,
            "trade": results.trade_chart(found, models),
            "evaluated": [model.name for model in found.evaluated()],
            "table": table,
            "accuracy": results.accuracy_chart(found, table) if table else None,
            "rocs": list(results.roc_charts(found)),
            "cmcs": list(ranks.charts(found)),
            "verified": results.verified(found),
            "differences": results.differences(found),
            "not_auditable": results.not_auditable(found),
            "templates": identification.templates(found),
            "searches": identification.searches(found),
            "classified": identification.classes(found),
            "splits": identification.splits(found),
            "landmarks": landmarks.measured(found),
            "fairness": fairness.tables(found),
            "error_charts": list(errors.charts(found)),
            "cohort_maps": fairness.maps(found),
            "settings": {name: results.settings(found, name) for name in SETTINGS},
            "clusters": sections.clusters(found),
            "costs": sections.costs(found),
            "tars": results.tars,
            "batches": results.batches,
        },
    )
