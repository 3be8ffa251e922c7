"""What a calibration says, and that it says nothing about another model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibrations import CALIBRATION

from omlzoo.checkpoints.calibration import Calibration, Energy, energy
from omlzoo.errors import BadEntry, BadInput, UnknownName


@pytest.mark.parametrize("name", ["far=0.001", "far=1e-3", "far=.001", "far=1.0E-3"])
def test_a_number_in_a_name_may_be_written_in_any_way(name: str) -> None:
    assert CALIBRATION.find(name).name == "far=0.001"


@pytest.mark.parametrize("name", ["far=0.01", "fars=0.001", "likely", "far=x"])
def test_a_name_that_is_not_there_is_told_those_that_are(name: str) -> None:
    with pytest.raises(UnknownName, match="far=0.001"):
        CALIBRATION.find(name)


def test_it_survives_its_file(tmp_path: Path) -> None:
    CALIBRATION.save(tmp_path / "known.json")
    raw = json.loads((tmp_path / "known.json").read_text())
    assert Calibration.from_json(raw, "known.json") == CALIBRATION
    del raw["cut_points"][0]["value"]
    with pytest.raises(BadEntry, match=r"known.json: cut_points\[0\]: misses value"):
        Calibration.from_json(raw, "known.json")


@pytest.mark.parametrize("change", [{"sha256": "b" * 64}, {"preprocess_hash": "c" * 64}, {"normalized": False}])
def test_another_model_is_refused(change: dict[str, object]) -> None:
    other = replace(CALIBRATION, **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=f"the calibration is of another model: {next(iter(change))} is"):
        CALIBRATION.check(other.sha256, other.preprocess_hash, other.normalized)
    CALIBRATION.check(CALIBRATION.sha256, CALIBRATION.preprocess_hash, CALIBRATION.normalized)


def test_chances_lie_on_lines_between_knots_and_are_0_without_a_hit() -> None:
    found = CALIBRATION.probability.of(np.array([[0.0, 0.5, 0.75], [1.0, 9.0, np.inf]]))
    assert found.tolist() == [[1.0, 1.0, 0.5], [0.0, 0.0, 0.0]]
    curve = CALIBRATION.probability.of(np.array([0.5, np.inf]), "logistic")
    assert curve.tolist() == pytest.approx([1 / (1 + np.exp(-(2 - 4 * 0.5))), 0])


def test_energy_is_a_soft_minimum_of_the_nearest_distances() -> None:
    distances = np.array([[1.0, 2.0, 3.0, 0.0], [4.0, np.inf, np.inf, np.inf], [np.inf] * 4])
    found = energy(distances, Energy(0.5, 3))
    assert found[0] == pytest.approx(-0.5 * np.log(np.exp(-1 / 0.5) + np.exp(-2 / 0.5) + np.exp(-3 / 0.5)))
    assert found[1:].tolist() == [4.0, np.inf]
