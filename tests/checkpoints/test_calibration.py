"""What a calibration says, and that it says nothing about another model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calibrations import CALIBRATION
from mutations import damaged, only_refused

from omlzoo.checkpoints.calibration import Calibration, Energy, energy
from omlzoo.errors import BadEntry, BadInput, UnknownName
from omlzoo.jsonio import parse_json


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


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (CALIBRATION.probability, {"distances": (1.0, 0.5)}, "distances that fall"),
    (CALIBRATION.probability, {"isotonic": (0.0, 1.0)}, "chances that rise"),
    (CALIBRATION.probability, {"isotonic": (5.0, -3.0)}, "outside 0 to 1"),
    (CALIBRATION.probability, {"distances": (0.5,)}, "1 distances and 2 chances"),
    (CALIBRATION.probability, {"distances": (), "isotonic": ()}, "0 distances and 0 chances"),
    (CALIBRATION.probability, {"distances": (0.5, float("nan"))}, "not finite"),
    (CALIBRATION.probability, {"slope": float("inf")}, "not finite"),
    (CALIBRATION.probability, {"reliability": ((2.0, 0.5, 1),)}, "outside 0 to 1"),
    (CALIBRATION.energy, {"k": 0}, "energy has temperature 0.1 and k 0"),
    (CALIBRATION.energy, {"k": -3}, "k -3"),
    (CALIBRATION.energy, {"k": 10**12}, "from 1 to 10,000"),
    (CALIBRATION.energy, {"temperature": 0.0}, "temperature 0.0"),
    (CALIBRATION.energy, {"temperature": float("nan")}, "temperature nan"),
    (CALIBRATION.cut_points[0], {"value": float("nan")}, "not finite"),
    (CALIBRATION.cut_points[0], {"wrong": 2.0}, "outside 0 to 1"),
    (CALIBRATION.cut_points[0], {"right_interval": (0.0, float("nan"))}, "outside 0 to 1"),
    (CALIBRATION, {"cut_points": CALIBRATION.cut_points[:1] * 2}, "a threshold twice"),
    (CALIBRATION, {"open_set": {"x": float("nan")}}, "not finite"),
    (CALIBRATION, {"open_set": {"x": "y"}}, "no numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "change", "said"), WRONG)
def test_a_calibration_that_would_lie_is_not_made(part: Any, change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        replace(part, **change)


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_calibrations_are_read_or_refused(count: int) -> None:
    seed = CALIBRATION.to_json().encode()
    for number in range(count):
        content = damaged(seed, number)

        def read(content: bytes = content) -> None:
            found = Calibration.from_json(parse_json(content, "x"), "x")
            chances = found.probability.of(np.array([0.1, 0.7, 2.0, np.inf, np.nan]))
            assert ((chances >= 0) & (chances <= 1)).all()
            energy(np.sort(np.ones((2, found.energy.k)), axis=1), found.energy)

        only_refused(read)
