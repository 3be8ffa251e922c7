"""What a checkpoint is for comes from facts of its entry, by one table."""

import json
from dataclasses import replace
from typing import Any

import pytest
from places import PROJECT

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry, Metric
from omlzoo.errors import BadInput
from omlzoo.zoo.tasks import BENCHMARKS, FAMILIES, TASKS, check_task, figures, made_for, tasks_of, trained_on

PLAIN = manifest.find("resnet50_simclr_v1")  # no text tower, a family without a task


def with_figures(*measured: tuple[str, str, float, str], **changes: Any) -> Entry:
    metrics = tuple(Metric(dataset, metric, value, by, "a paper", None) for dataset, metric, value, by in measured)
    return replace(PLAIN, metrics=metrics, **changes)


@pytest.mark.parametrize(("name", "tasks"), [
    ("vits16_inshop", ("products",)), ("vits16_sop", ("products",)), ("vits16_224_mlp_384_inshop", ("products",)),
    ("vits16_cub", ("animals",)), ("vits16_cars", ("vehicles",)), ("megadescriptor_t_224", ("animals",)),
    ("vits16_dino", ("products", "animals", "vehicles", "general")), ("resnet_small_omniglot", ("drawings",)),
    ("openai_vitl14_336", ("image-text",)), ("openai_vitb32_224", ("image-text", "products", "animals", "vehicles")),
    ("resnet50_simclr_v1", ("general",)), ("sber_vitb32_224", ("products", "animals", "vehicles")),
])  # fmt: skip
def test_tasks_of_known_ones(name: str, tasks: tuple[str, ...]) -> None:
    assert tasks_of(manifest.find(name)) == tasks


@pytest.mark.parametrize("name", manifest.names())
def test_every_task_has_a_fact_in_the_file(name: str) -> None:
    """From the JSON alone: a family, a text tower, a data set, the end of a name; else it is general."""
    raw = json.loads((PROJECT / "weights_manifest" / f"{name}.json").read_text())
    found = tasks_of(manifest.find(name))
    assert found
    assert len(set(found)) == len(found)
    sets = {"products": ("SOP", "In-Shop", "six fashion"), "animals": ("CUB", "iNat"), "vehicles": ("Cars", "VeRi"),
            "drawings": ("Omniglot",), "landmarks": ("ROxf", "RPar"), "people": ("Market", "MSMT17"),
            "faces": ("IJB", "LFW"), "general": ("ImageNet-1k",), "image-text": ()}  # fmt: skip
    ends = {"products": ("_sop", "_inshop"), "animals": ("_cub",), "vehicles": ("_cars",)}
    for task in found:
        facts = [FAMILIES.get(raw["family"]) == task, task == "image-text" and raw["text"] is not None,
                 any(metric["dataset"].startswith(sets[task]) for metric in raw["metrics"]),
                 raw["family"] == "oml" and name.endswith(ends.get(task, ())), found == ("general",)]  # fmt: skip
        assert any(facts), task


def test_the_table_names_known_tasks_once() -> None:
    assert {each.task for each in BENCHMARKS} == set(TASKS)
    assert set(FAMILIES.values()) <= set(TASKS)
    assert len({each.short for each in BENCHMARKS}) == len(BENCHMARKS)
    assert len({(each.dataset, each.metric) for each in BENCHMARKS}) == len(BENCHMARKS)


def test_a_family_and_an_end_of_a_name_say_what_weights_were_made_for() -> None:
    assert made_for(replace(PLAIN, family="face")) == ("faces",)
    assert made_for(PLAIN) == ()
    assert trained_on(replace(PLAIN, family="oml", name="vits16_cub")) == "CUB-200-2011"
    assert trained_on(replace(PLAIN, name="vits16_cub")) is None, "other families may call anything so"


def test_of_several_figures_the_one_that_compares_most_is_taken_and_controls_are_none() -> None:
    entry = with_figures(
        ("In-Shop", "cmc@1", 0.9, "authors"), ("In-Shop", "cmc@1", 0.8, "OML"), ("SOP", "cmc@1", 0.7, "authors"),
        ("SOP", "cmc@10", 0.99, "OML"), ("Omniglot, 3 unseen alphabets", "cmc@1 of random weights", 0.3, "omlzoo"),
        ("Something else", "cmc@1", 1.0, "OML"),
    )  # fmt: skip
    assert [(f.benchmark.short, f.metric.value) for f in figures(entry)] == [("SOP", 0.7), ("In-Shop", 0.8)]
    assert str(figures(entry)[1]) == "0.800 In-Shop OML"
    assert figures(entry, "drawings") == []
    assert tasks_of(entry) == ("products",)


def test_without_a_text_tower_nothing_is_found_by_words() -> None:
    entry = with_figures(("COCO", "text_to_image", 0.5, "authors"))
    assert tasks_of(entry) == ("general",)
    text = manifest.find("openai_vitb16_224").text
    assert tasks_of(replace(entry, text=text)) == ("image-text",)


def test_an_unknown_task_lists_all() -> None:
    with pytest.raises(BadInput, match="task is 'shoes'; it must be one of products, animals, .*, general$"):
        check_task("shoes")
    assert check_task("faces") == "faces"
