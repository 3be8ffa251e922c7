"""timm's config.json, there and back, against timm itself."""

import json
from functools import partial

import pytest
import torch
from mutations import damaged, only_refused

from omlzoo import catalog
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.timm_config import TABLE, from_config, to_config
from omlzoo.errors import BadEntry

CONFIG = {
    "architecture": "resnet50", "num_classes": 1000, "num_features": 2048, "global_pool": "avg",
    "pretrained_cfg": {"tag": "tv_in1k", "input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.875,
                       "crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
                       "license": "bsd-3-clause"},
}  # fmt: skip


def test_a_plain_config_becomes_an_entry() -> None:
    entry = from_config(json.dumps(CONFIG), "timm/resnet50.tv_in1k")
    ours = manifest.find("resnet50_imagenet1k_v1")
    assert (entry.name, entry.arch, entry.layout) == ("resnet50_tv_in1k", "resnet50", "torchvision_resnet")
    assert entry.preprocess == ours.preprocess
    assert (entry.dim, entry.params, entry.license) == (ours.dim, ours.params, "bsd-3-clause")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "beit_base"}, "has no 'beit_base'; did you mean"),
        ({"architecture": "../x"}, "has no '../x'"),
        ({"global_pool": "nope"}, "does not take the arguments"),
        ({"model_args": {"img_size": 518}}, "does not take the arguments"),
        ({"model_args": {"checkpoint_path": "/tmp/x.pth"}}, "does not take the arguments"),
        ({"model_args": {"pretrained_cfg": {"file": "/tmp/x.pth"}}}, "does not take the arguments"),
        ({"pretrained_cfg": {}}, "not a config of timm"),
        ({"pretrained_cfg": {**CONFIG["pretrained_cfg"], "crop_mode": "border"}}, "crop_mode 'border'"),  # type: ignore[dict-item]
    ],
)
def test_what_the_config_does_not_settle_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadEntry, match=message):
        from_config(json.dumps({**CONFIG, **changes}), "timm/x")


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_timms_architecture_has_the_same_parameters_as_ours(row: tuple[str, str, dict[str, object], str, str]) -> None:
    import timm

    name, arch, arguments, pool, _ = row
    with torch.device("meta"):
        ours = catalog.find("models", arch)(**arguments)
        classes = ours.dim if "clip" in name else 0
        theirs = timm.create_model(name, num_classes=classes)
    assert {key: value.shape for key, value in theirs.state_dict().items()} == {
        key: value.shape for key, value in ours.state_dict().items()
    }
    assert theirs.global_pool == pool if hasattr(theirs, "blocks") else True


@pytest.mark.parametrize("name", [name for name in manifest.names() if to_config(manifest.find(name))])
def test_a_config_that_is_written_is_read_back_as_the_same_model(name: str) -> None:
    entry = manifest.find(name)
    back = from_config(json.dumps(to_config(entry)), f"me/{name}")
    assert (back.arch, back.dim, back.params, back.preprocess) == (
        entry.arch,
        entry.dim,
        entry.params,
        entry.preprocess,
    )


@pytest.mark.parametrize("name", ["vits14_dinov2", "vits16_cub", "resnet50_moco_v2", "vits16_moco_v3", "vitb32_unicom"])
def test_where_timm_computes_something_else_there_is_no_config(name: str) -> None:
    entry = manifest.find(name)
    assert (to_config(entry) is None) or name == "vits16_cub"


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_pct": float("1e999"), "std": [float("nan")] * 3}, {"crop_pct": 1e-300}, {"crop_pct": -1}, {"crop_pct": "x"},
        {"input_size": [3, 10**9, 10**9]}, {"input_size": [3, 0, 0]}, {"input_size": None}, {"input_size": [3, 224]},
        {"mean": "abc"}, {"mean": ["a", "b", "c"]}, {"mean": [1, 2]}, {"std": [0, 0, 0]}, {"std": None},
        {"crop_mode": ["center"]}, {"interpolation": 5}, {"license": {"a": 1}},
    ],
)  # fmt: skip
def test_settings_that_are_none_are_refused(changes: dict[str, object]) -> None:
    config = {**CONFIG, "pretrained_cfg": {**CONFIG["pretrained_cfg"], **changes}}
    with pytest.raises(BadEntry, match="hf-hub:timm/x/config.json"):
        from_config(json.dumps(config), "timm/x")


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b"[]", b"5", b'{"a": 1}', b'{"pretrained_cfg": []}'])
def test_what_is_no_config_is_refused(content: bytes) -> None:
    with pytest.raises(BadEntry, match="hf-hub:timm/x/config.json"):
        from_config(content, "timm/x")


@pytest.mark.parametrize("count", [20, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_configs_are_read_or_refused(count: int) -> None:
    seed = json.dumps(CONFIG).encode()
    for number in range(count):
        only_refused(partial(from_config, damaged(seed, number), "timm/x"))
