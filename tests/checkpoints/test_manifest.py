"""The schema is strict, and every file of the zoo follows it."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from toys import PREPROCESS, toy_entry

from omlzoo import catalog
from omlzoo.checkpoints import layouts, manifest
from omlzoo.checkpoints.entry import dump_entry, read_entry
from omlzoo.errors import BadEntry, UnknownName

NAMES = manifest.names()


def written(folder: Path, **changes: object) -> Path:
    raw = json.loads(dump_entry(toy_entry())) | changes
    path = folder / "resnet_toy_test.json"
    path.write_text(json.dumps({key: value for key, value in raw.items() if value != "DROP"}))
    return path


def test_the_zoo_has_the_families_it_promises() -> None:
    families = {manifest.find(name).family for name in NAMES}
    assert families >= {"oml", "dino", "dinov2", "dinov3", "ibot", "msn", "mae", "moco", "swav", "barlow", "vicreg", "pcl",
                        "simclr", "unicom", "clip", "open_clip", "ruclip", "siglip", "timm_vit", "megadescriptor"}  # fmt: skip
    assert len(NAMES) >= 70


def test_the_zoo_has_the_names_of_open_metric_learning() -> None:
    first = {"vits16_inshop", "vits16_sop", "vits16_cub", "vits16_cars", "vits16_dino", "vits8_dino", "vitb16_dino"}
    first |= {"vitb8_dino", "vits14_dinov2", "vitb14_dinov2", "vits14_reg_dinov2", "vitb14_reg_dinov2"}
    first |= {f"resnet{depth}_imagenet1k_v1" for depth in (18, 34, 50, 101, 152)} | {"resnet50_moco_v2"}
    first |= {"vits16_224_mlp_384_inshop", "vitl14_dinov2", "vitl14_reg_dinov2", "vitb32_unicom", "vitb16_unicom"}
    first |= {"vitl14_unicom", "vitl14_336px_unicom", "openai_vitb32_224", "openai_vitb16_224", "openai_vitl14_224"}
    first |= {"openai_vitl14_336", "sber_vitb32_224", "sber_vitb16_224", "sber_vitl14_224"}
    assert len(first) == 32
    assert first <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_complete(name: str) -> None:
    entry = manifest.find(name)
    assert entry.arch.startswith("timm:") or entry.arch in catalog.names("models")
    assert name.isidentifier(), "a name is a function of omlzoo"
    assert entry.license or "Licence as read" in str(entry.notes), "where it has no SPDX name, what was read is said"
    assert entry.commercial is None or entry.license, "who knows whether, knows the licence"
    assert entry.source
    assert entry.citation
    assert entry.upstream is None or entry.upstream.layout in layouts.LAYOUTS
    assert entry.layout is None or entry.layout in layouts.LAYOUTS
    assert entry.repo or entry.upstream or entry.file or entry.package or "omlzoo convert" in str(entry.notes), (
        "a way to the weights"
    )
    assert all(0 <= metric.value <= 1 for metric in entry.metrics)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_what_its_entry_writes(name: str) -> None:
    path = manifest.folder() / f"{name}.json"
    assert json.loads(path.read_text()) == json.loads(dump_entry(manifest.find(name)))


def test_an_entry_survives_writing_and_reading(tmp_path: Path) -> None:
    entry = toy_entry()
    path = tmp_path / "x.json"
    path.write_text(dump_entry(entry))
    assert read_entry(path) == entry


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": "DROP"}, "misses dim"),
        ({"dimension": 3}, "has unknown dimension"),
        ({"dim": "64"}, "dim is '64'; it must be of type int"),
        ({"dim": True}, "dim is True; it must be of type int"),
        ({"normalize": 1}, "normalize is 1; it must be of type bool"),
        ({"sha256": "abc"}, "sha256 is 'abc'; it must be 64 lower-case hex digits"),
        ({"revision": "main"}, "revision is 'main'; it must be 40"),
        ({"file": "model.bin"}, "only .safetensors files are opened"),
        ({"repo": "alone", "file": "m.safetensors"}, "it must be organisation/name"),
        ({"repo": "a/b"}, "file is null"),
        ({"upstream": {"url": "https://u", "hash": "crc:12", "layout": "x"}}, "upstream.hash is 'crc:12'"),
        ({"upstream": {"url": "u"}}, "misses hash, layout"),
        ({"metrics": [{"dataset": "x"}]}, r"metrics\[0\]"),
        ({"metrics": {}}, "it must be a list"),
        ({"preprocess": {**asdict(PREPROCESS), "mode": "zoom"}}, "mode is 'zoom'; it must be one of cover"),
        ({"preprocess": {**asdict(PREPROCESS), "pad": 255}}, "pad is for contain"),
        ({"preprocess": {**asdict(PREPROCESS), "std": [0, 1, 1]}}, "std is 0.0; it must be from 1e-06 to 1,000"),
        ({"preprocess": {**asdict(PREPROCESS), "crop": [99, 99]}}, "the crop must fit"),
        ({"preprocess": {**asdict(PREPROCESS), "mean": [0.5, 0.5]}}, "must be a list of 3"),
    ],
)
def test_a_fault_names_the_file_the_key_and_the_rule(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(BadEntry, match=message) as caught:
        read_entry(path)
    assert str(path) in str(caught.value)


def test_a_name_must_be_the_files(tmp_path: Path) -> None:
    with pytest.raises(BadEntry, match="it must be the file's, 'other'"):
        read_entry(written(tmp_path), "other")


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(BadEntry, match="not readable as JSON"):
        read_entry(tmp_path / "x.json")


def test_near_names_are_suggested() -> None:
    with pytest.raises(UnknownName, match="did you mean vits16_inshop"):
        manifest.find("vits16_inshp")


def test_the_text_towers_facts_are_checked_too(tmp_path: Path) -> None:
    raw = json.loads(dump_entry(manifest.find("openai_vitb32_224")))["text"]
    assert read_entry(written(tmp_path, text=raw)).text == manifest.find("openai_vitb32_224").text
    wrong = [
        ({"params": "DROP"}, "text misses params"),
        ({"arch": "bert"}, "text: arch is 'bert'; it must be one of clip_text, siglip_text"),
        ({"file": "model.bin"}, "text: file is 'model.bin'; only .safetensors"),
        ({"tokenizer": raw["tokenizer"] | {"file": "vocab.txt"}}, "text: tokenizer: file is 'vocab.txt'; only .json"),
        ({"tokenizer": raw["tokenizer"] | {"sha256": "abc"}}, "text: tokenizer: sha256 is 'abc'"),
    ]
    for change, message in wrong:
        changed = {key: value for key, value in (raw | change).items() if value != "DROP"}
        with pytest.raises(BadEntry, match=message.replace("text misses", "text: misses")):
            read_entry(written(tmp_path, text=changed))
