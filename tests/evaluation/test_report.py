"""A report as JSON follows its schema, and two models are compared on the same queries."""

import json
from pathlib import Path

import numpy as np
import pytest
from places import PROJECT
from toys import toy

import omlzoo
from omlzoo.errors import BadInput
from omlzoo.metrics import compare

SCHEMA = json.loads((PROJECT / "docs" / "report.schema.json").read_text())


def test_the_json_follows_the_schema(drawn: Path, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    one, two = (toy("resnet_toy", seed=seed) for seed in (0, 1))
    for report in (
        omlzoo.evaluate(one, drawn),
        omlzoo.evaluate(one, drawn, thorough=False),
        omlzoo.evaluate(one, drawn, against=two),
    ):
        report.save(tmp_path / "report.json")
        found = json.loads((tmp_path / "report.json").read_text())
        jsonschema.Draft202012Validator(SCHEMA).validate(found)
        for name in found["metrics"]:
            base = name.split("@")[0].split(" ")[0]
            known = {key.split("@")[0] for key in found["definitions"]}
            assert base in known | {"queries", "per_category", "same_pairs", "other_pairs"}, (
                "a metric has its definition"
            )


def test_a_thorough_report_has_intervals_around_its_means(drawn: Path) -> None:
    report = omlzoo.evaluate(toy("resnet_toy"), drawn)
    assert {"cmc@1", "map@r", "ap", "ndcg@10"} <= set(report.intervals)
    for name, (low, high) in report.intervals.items():
        assert low <= report.metrics[name] <= high
    assert {"auc", "eer", "opis", "tar@far=0.01", "pcf@0.5"} <= set(report.metrics)


def test_a_model_is_compared_with_another_query_by_query(drawn: Path) -> None:
    one, two = (toy("resnet_toy", seed=seed) for seed in (0, 1))
    report = omlzoo.evaluate(one, drawn, against=two)
    other = omlzoo.evaluate(two, drawn)
    assert report.before == other.metrics
    assert report.ranking is not None
    assert other.ranking is not None
    found = report.comparison["map@r"]
    change = report.ranking.values["map@r"] - other.ranking.values["map@r"]
    assert found.difference == pytest.approx(change.mean())
    assert (found.better, found.worse) == (int((change > 0).sum()), int((change < 0).sum()))
    labels = report.labels_of_queries()
    assert found == compare(other.ranking.values["map@r"], report.ranking.values["map@r"], labels)
    fewer = omlzoo.evaluate(omlzoo.embed(two, drawn).rows(np.arange(160) >= 130))
    with pytest.raises(BadInput, match="the two reports are not of the same queries"):
        report.compared_with(fewer)
