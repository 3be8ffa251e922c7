"""costs.json is in step with the zoo, and its counts are those of a formula."""

import importlib.util
import json
from dataclasses import replace
from types import ModuleType

import pytest
from places import PROJECT

from omlzoo.checkpoints import manifest
from omlzoo.zoo.costs import COSTS, circumstances, cost_of, is_measured, key_of

REMEDY = "run python benchmarks/zoo_speed.py"
TRANSFORMERS = {"vits": (384, 12, 6), "vitb": (768, 12, 12), "vitl": (1024, 24, 16), "vith": (1280, 32, 16)}


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo_speed", PROJECT / "benchmarks" / "zoo_speed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", manifest.names())
def test_every_checkpoint_is_counted_and_measured_unless_it_is_large(name: str) -> None:
    entry = manifest.find(name)
    cost = cost_of(entry)
    assert cost is not None, f"{key_of(entry)}: {REMEDY}"
    assert cost.flops > entry.params / 10, "a pass uses most parameters"
    assert (cost.speed is not None) == is_measured(entry.params, cost.flops), f"{key_of(entry)}: {REMEDY}"
    assert cost.speed is None or 0 < cost.speed * cost.flops < 1e12, "one core computes no tera-operation a second"


def test_nothing_else_is_in_the_file() -> None:
    held = json.loads(COSTS.read_text())
    assert set(held["costs"]) == {key_of(manifest.find(name)) for name in manifest.names()}, REMEDY
    assert set(held) == {"measured", "costs"}
    assert {"machine", "threads", "batch", "precision", "torch", "timm", "date", "unmeasured"} <= set(circumstances())
    assert "2 cores that others used" in circumstances()["machine"]


@pytest.mark.parametrize("name", [
    name for name in manifest.names()
    if (entry := manifest.find(name)).arch[:4] in TRANSFORMERS and entry.arch[4:].isdigit() and "project" not in entry.arch_args
])  # fmt: skip
def test_counts_of_plain_transformers_are_those_of_the_formula(name: str) -> None:
    entry = manifest.find(name)
    patch = int(entry.arch[4:])
    width, depth, _ = TRANSFORMERS[entry.arch[:4]]
    patches = (entry.preprocess.crop[0] // patch) * (entry.preprocess.crop[1] // patch)
    tokens = patches + 1
    products = patches * 3 * patch**2 * width  # multiplications of the first layer, then of each block
    products += depth * (12 * tokens * width**2 + 2 * tokens**2 * width)
    cost = cost_of(entry)
    assert cost is not None
    assert cost.flops == pytest.approx(2 * products, rel=1e-3)


def test_a_resnet50_has_the_known_count_without_its_classifier() -> None:
    cost = cost_of(manifest.find("resnet50_imagenet1k_v1"))
    assert cost is not None
    assert cost.flops == pytest.approx(2 * (4.089e9 - 2048 * 1000), rel=1e-3)  # torchvision: 4.09 GFLOPS, of products


@pytest.mark.parametrize("name", ["resnet_small_omniglot", "resnet18_a1"])
def test_the_script_counts_what_the_file_has(name: str) -> None:
    cost = cost_of(manifest.find(name))
    assert cost is not None
    assert benchmark().count(manifest.find(name)) == cost.flops


def test_the_key_is_the_architecture_with_all_that_changes_a_pass() -> None:
    entry = manifest.find("vits16_dino")
    assert key_of(entry) == "vits16 224x224"
    assert key_of(replace(entry, name="mine", license=None)) == key_of(entry)
    others = [replace(entry, arch="vits8"), replace(entry, arch_args={"heads": 12}),
              replace(entry, preprocess=entry.preprocess.scaled((224, 112)))]  # fmt: skip
    assert len({key_of(other) for other in [entry, *others]}) == 4
    assert cost_of(others[2]) is None


def test_what_is_small_in_one_way_is_measured() -> None:
    assert is_measured(90_000_000, 10**12)
    assert is_measured(200_000_000, 10**10)
    assert not is_measured(100_000_000, 40_000_000_000)
