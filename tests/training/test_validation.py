"""Measuring while training: the metric that chooses is looked at before anything is trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from omlzoo.data import table as tables
from omlzoo.errors import BadInput, UnknownName
from omlzoo.models._extractor import Extractor
from omlzoo.training.validation import Probe, pack_ranking, unpack_ranking


def test_a_probe_measures_and_refuses_what_cannot_choose(drawn: Path, model: Extractor) -> None:
    rows = tables.read(drawn, "evaluate")
    rows = rows.rows((rows.frame["split"] == "validation").to_numpy())
    report = Probe("map@r", "fp32", torch.device("cpu")).measure(model, rows)
    assert 0 <= report.metrics["map@r"] <= 1
    with pytest.raises(UnknownName, match="did you mean map@r"):
        Probe("map@rr", "fp32", torch.device("cpu")).check(model, rows)
    single = rows.rows(~rows.frame.duplicated("label").to_numpy())
    with pytest.warns(match="have no relevant picture"), pytest.raises(BadInput, match="no label has two"):
        Probe("map@r", "fp32", torch.device("cpu")).check(model, single)
    ranking = report.ranking
    assert ranking is not None
    again = unpack_ranking(pack_ranking(ranking))
    assert again is not None
    assert np.array_equal(again.queries, ranking.queries)
    assert np.array_equal(again.values["map@r"], ranking.values["map@r"])
