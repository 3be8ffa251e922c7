"""Filters over the zoo give what a loop over the files of the manifest gives."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from places import PROJECT

from omlzoo.checkpoints import manifest
from omlzoo.errors import BadInput, UnknownName
from omlzoo.zoo.costs import Cost
from omlzoo.zoo.overview import Overview, number_of_params, overview

FILES = {path.stem: json.loads(path.read_text()) for path in (PROJECT / "weights_manifest").glob("*.json")}


@pytest.mark.parametrize(("filters", "passes"), [
    ({}, lambda e: True),
    ({"pattern": "vits16*"}, lambda e: e["name"].startswith("vits16")),
    ({"family": "dinov2"}, lambda e: e["family"] == "dinov2"),
    ({"license": "mit", "commercial": True}, lambda e: e["license"] == "mit" and e["commercial"] is True),
    ({"text": True}, lambda e: e["text"] is not None),
    ({"text": False, "max_params": 25e6}, lambda e: e["text"] is None and e["params"] <= 25e6),
    ({"pinned": True}, lambda e: bool(e["package"] or (e["sha256"] and (e["repo"] is None or e["revision"])))),
    ({"max_params": 1}, lambda e: False),
])  # fmt: skip
def test_filters_give_what_a_loop_gives(filters: dict[str, Any], passes: Callable[[dict[str, Any]], bool]) -> None:
    assert [one.entry.name for one in overview(**filters)] == sorted(name for name, raw in FILES.items() if passes(raw))


def test_filters_by_task_and_speed_leave_nothing_out() -> None:
    everything = overview()
    for task in ("products", "general"):
        found = {one.entry.name for one in overview(task=task)}
        assert found == {one.entry.name for one in everything if task in one.tasks}
        assert found
    fast = overview(min_speed=5)
    assert fast
    assert {one.entry.name for one in fast} == {one.entry.name for one in everything if one.speed and one.speed >= 5}


def test_offline_and_the_others_are_all() -> None:
    here = [one.entry.name for one in overview(offline=True)]
    assert "resnet_small_omniglot" in here
    assert sorted(here + [one.entry.name for one in overview(offline=False)]) == sorted(FILES)


@pytest.mark.parametrize(("filters", "error", "message"), [
    ({"task": "shoes"}, BadInput, "task is 'shoes'; it must be one of products"),
    ({"family": "dinov"}, UnknownName, "did you mean dino"),
    ({"max_params": 0}, BadInput, "max_params is 0; it must be a positive number"),
    ({"max_params": float("nan")}, BadInput, "max_params is nan"),
    ({"min_speed": -1.0}, BadInput, "min_speed is -1.0"),
    ({"min_speed": float("inf")}, BadInput, "min_speed is inf"),
])  # fmt: skip
def test_wrong_filters_are_one_clear_error(filters: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        overview(**filters)


@pytest.mark.parametrize(("text", "number"), [
    ("30M", 30e6), ("1.1B", 1.1e9), ("25000000", 25e6), (" 500k ", 5e5), ("3e7", 3e7), ("0.5m", 5e5), ("7", 7),
])  # fmt: skip
def test_numbers_of_parameters_as_people_write_them(text: str, number: float) -> None:
    assert number_of_params(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "lots", "-3M", "30 MB", "1,000", "M", "nan", "1e999", "٣"])
def test_what_is_no_number_of_parameters_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="max_params is .*; it must be a number such as 30M, 1.1B or 25000000"):
        number_of_params(text)


@pytest.mark.parametrize("name", manifest.names())
def test_facts_are_those_of_the_file(name: str) -> None:
    facts, raw = Overview(manifest.find(name)).facts(), FILES[name]
    for key in ("name", "family", "arch", "dim", "params", "size", "license", "commercial", "pin", "metrics"):
        assert facts[key] == raw[key]
    assert facts["text"] == (raw["text"] is not None)
    assert facts["image_size"] == raw["preprocess"]["crop"]
    assert facts["offline"] == (facts["place"] is not None)
    assert "place" not in Overview(manifest.find(name)).facts(local=False)


def test_what_nobody_has_counted_is_unknown_and_passes_no_limit() -> None:
    entry = replace(manifest.find("vits16_dino"), arch="vits15")
    one = Overview(entry)
    assert (one.cost, one.flops, one.speed) == (None, None, None)
    assert Overview(manifest.find("vits16_dino")).cost == Cost(
        9_196_996_608, Overview(manifest.find("vits16_dino")).speed
    )
    large = next(one for one in overview() if one.flops and one.speed is None)
    assert large.entry.name not in {one.entry.name for one in overview(min_speed=1e-9)}


def test_the_figure_of_the_task_is_shown_first() -> None:
    one = Overview(manifest.find("vits16_dino"))
    assert str(one.figure()) == "0.648 SOP OML"
    assert str(one.figure("animals")) == "0.627 CUB OML"
    assert str(one.figure("faces")) == "0.648 SOP OML"
    assert Overview(manifest.find("megadescriptor_t_224")).figure() is None
