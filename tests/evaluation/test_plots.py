"""Charts hold the values that they are of, and say in words what one sees."""

import numpy as np
import pytest
from calibrations import CALIBRATION

from omlzoo.errors import OmlzooWarning
from omlzoo.evaluation import plots


def test_curves_show_what_there_is() -> None:
    chart = plots.curves("Loss", "loss", {"loss": [3.0, 2.0], "lr": [0.1, 0.0]}, ["loss"])
    assert chart.plain()["series"][0]["x"] == [1.0, 2.0]
    assert chart.plain()["series"][0]["y"] == [3.0, 2.0]
    assert chart.text == "By epoch: loss goes from 3 to 2."


def test_distances_are_those_of_pairs() -> None:
    """Two labels at 0 and 10, each with two rows 1 apart: pairs of a label are 1 apart, the others 9 to 11."""
    chart = plots.distances(np.array([[0.0], [1.0], [10.0], [11.0]], np.float32), np.array(["a", "a", "b", "b"]))
    same, other = chart.series
    width = same.x[1] - same.x[0]
    assert np.sum(np.array(same.y) * width) == pytest.approx(1)
    assert np.array(same.x)[np.array(same.y) > 0] == pytest.approx(1, abs=width)
    assert np.all(np.array(other.x)[np.array(other.y) > 0] > 8.9)
    assert (same.colour, other.colour) == ("right", "wrong")
    assert "half of the pairs of the same label are nearer than 1, half of the pairs of the other label" in chart.text


@pytest.mark.parametrize("labels", [["a", "a", "b", "b"], ["a", "b", "c", "d"], ["a", "a", "a", "a"]])
def test_distances_of_few_rows(labels: list[str]) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    names = [one.name for one in plots.distances(vectors, np.array(labels)).series]
    assert names == ["same label"] * (len(set(labels)) < 4) + ["other label"] * (len(set(labels)) > 1)


@pytest.mark.parametrize("size", [1e-30, 1e14])
def test_distances_of_every_size_are_drawn(size: float) -> None:
    vectors = (np.random.default_rng(0).normal(size=(40, 3)) * size).astype(np.float32)
    assert None not in plots.distances(vectors, np.arange(40) // 4).plain()["series"][0]["y"]


def test_accepted_pairs_leave_out_what_has_no_place_on_a_logarithmic_axis() -> None:
    chart = plots.characteristic(np.array([0, 0.01, 0.1, 1]), np.array([0.2, 0.5, 0.9, 1]))
    assert chart.series[0].x == pytest.approx([0.01, 0.1, 1])
    assert chart.series[0].y == pytest.approx([0.5, 0.9, 1])
    assert "where 1.00% of the others pass, 50.0% of the same do" in chart.text
    assert len(plots.characteristic(np.zeros(2), np.ones(2)).series[0].x) == 0


def test_utility_has_its_mean_and_its_bands() -> None:
    values = np.array([[0.0, 0.5], [1.0, 0.5]])
    wide, narrow, mean = plots.utility(np.array([1.0, 2.0]), values).series
    assert mean.y == pytest.approx([0.5, 0.5])
    assert (wide.y[0], wide.high[0]) == pytest.approx((0.05, 0.95))
    assert (narrow.y[0], narrow.high[0]) == pytest.approx((0.25, 0.75))


def test_chances_and_reliability_are_those_of_the_calibration() -> None:
    known = CALIBRATION.probability
    chart = plots.chances(known)
    assert chart.series[0].y == pytest.approx(known.of(np.array(chart.series[0].x)))
    ideal, real = plots.reliability([(0.2, 0.3, 10), (0.9, 0.5, 40)]).series
    assert (ideal.x, ideal.y) == ([0, 1], [0, 1])
    assert real.sizes == pytest.approx([6 + 18 * 0.5, 24])
    assert "90% was said, 50% of 40 hits are right" in plots.reliability([(0.2, 0.3, 10), (0.9, 0.5, 40)]).text


def test_a_chart_that_cannot_be_drawn_is_left_out_and_said() -> None:
    def broken(number: int) -> str:
        raise RuntimeError(f"no {number}\nmore")

    with pytest.warns(OmlzooWarning, match="the figure broken is left out, it cannot be drawn: RuntimeError: no 5$"):
        assert plots.drawn(broken, 5) == []
    assert len(plots.drawn(plots.curves, "Loss", "loss", {"loss": [1.0]}, ["loss"])) == 1
