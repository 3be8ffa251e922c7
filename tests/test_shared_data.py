"""The real pictures beside the repository, where they are."""

from pathlib import Path

import pytest

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.data import table

BUNDLED = [name for name in manifest.names() if manifest.find(name).family == "omlzoo"]


def test_the_tables_have_no_faults(shared: Path) -> None:
    for name, train, validation in (("omniglot", 2720, 2120), ("grocery", 1680, 1552)):
        csv = shared / name / f"{name}.csv"
        assert table.find_faults(csv) == []
        assert table.read(csv, "train").frame["split"].value_counts().to_dict() == {
            "train": train,
            "validation": validation,
        }


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_checkpoint_has_the_number_of_its_entry(shared: Path, name: str) -> None:
    report = omlzoo.evaluate(name, shared / "omniglot/omniglot.csv", precision="fp32")
    for metric in manifest.find(name).metrics:
        if metric.dataset == "Omniglot, 3 unseen alphabets" and metric.metric in report.metrics:
            assert report.metrics[metric.metric] == pytest.approx(metric.value, abs=2e-3)
    assert report.metrics["queries_without_relevant"] == 0


def test_there_is_one_bundled_checkpoint_and_it_is_small() -> None:
    assert len(BUNDLED) == 1
    path = omlzoo.get_weights(BUNDLED[0]).fetch()
    assert path.stat().st_size <= 4_000_000
    assert path.is_relative_to(manifest.folder() / "bundled")
