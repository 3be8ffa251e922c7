"""Charts are plain values that the page's script reads."""

import json

from omlzoo.pages.charts import Atlas, Axis, Chart, Colouring, Map, Series


def test_a_chart_has_its_axes_and_values_of_four_digits() -> None:
    band = Series("band", [1], [0], "band", [2])
    chart = Chart(
        "Loss", "It falls.", Axis("epoch", whole=True), Axis("loss", 0, 1), [Series("a", [1], [0.123456]), band]
    )
    plain = chart.plain()
    json.dumps(plain, allow_nan=False)
    assert plain["series"][0] == {
        "name": "a",
        "x": [1.0],
        "y": [0.1235],
        "kind": "line",
        "high": [],
        "sizes": [],
        "colour": "",
    }
    assert plain["series"][1]["high"] == [2.0]
    assert plain["x"] == {"name": "epoch", "low": None, "high": None, "log": False, "whole": True}


def test_what_is_no_number_is_none() -> None:
    assert Series("a", [1, 2], [float("nan"), float("inf")]).plain()["y"] == [None, None]


def test_choices_are_written_once_and_numbers_as_they_are() -> None:
    assert Colouring("label", ["b", "a", "b"]).plain() == {
        "name": "label",
        "kind": "choice",
        "names": ["b", "a"],
        "codes": [0, 1, 0],
    }
    assert Colouring("price", [1, float("nan")], "number").plain()["values"] == [1.0, None]


def test_a_map_has_its_pictures() -> None:
    found = Map("Map", "text", [0], [1], ["a.png"], [Colouring("label", ["a"])], Atlas("data:,", 40, 1, (0,))).plain()
    assert found["pictures"] == {"image": "data:,", "side": 40, "across": 1, "places": (0,)}
    assert found["names"] == ["a.png"]
