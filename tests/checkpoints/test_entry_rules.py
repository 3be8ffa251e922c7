"""What becomes a path, an address or a model is of one form, wherever an entry is made."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from mutations import damaged, only_refused
from toys import PREPROCESS, toy_entry

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import dump_entry, read_entry
from omlzoo.checkpoints.entry_rules import check_name, name_of
from omlzoo.checkpoints.sources import Upstream
from omlzoo.errors import BadEntry
from omlzoo.zoo.building import build_model

BAD_PARTS = ["", ".", "..", ".lock", "a/b", "/a", "a\\b", "a\0b", "a\nb", "a\u202eb", "x" * 201, "ü" * 101, "\udcff"]


@pytest.mark.parametrize("name", ["../victim", "/abs/path", *BAD_PARTS])
def test_a_name_is_one_part_of_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadEntry, match="name is .*; it must be 1 to 200"):
        toy_entry(name=name)
    raw = json.loads(dump_entry(toy_entry())) | {"name": name}
    (tmp_path / "entry.json").write_text(json.dumps(raw))
    with pytest.raises(BadEntry, match=r"entry\.json: name is"):
        read_entry(tmp_path / "entry.json")


@pytest.mark.parametrize(
    "text", ["run", "my run (2)", "schön", ".hidden", "..", "a/b", "x" * 300, "ü" * 300, "", "\udcff", "靴"]
)
def test_a_folder_of_any_name_gives_a_name_that_is_allowed(text: str) -> None:
    check_name(name_of(text))
    if text in ("run", "my run (2)", "schön", "靴"):
        assert name_of(text) == text


@pytest.mark.parametrize("part", [part for part in BAD_PARTS if "/" not in part])
def test_a_file_is_a_path_of_such_parts(part: str) -> None:
    for file in (f"{part}/m.safetensors", f"a/{part}/m.safetensors", f"/{part}m.safetensors"):
        with pytest.raises(BadEntry, match="file is"):
            toy_entry(repo="o/n", file=file)
    assert toy_entry(repo="o/n", file="weights/m.safetensors").file == "weights/m.safetensors"


TEXT = manifest.find("openai_vitb32_224").text
assert TEXT is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"repo": "../x", "file": "m.safetensors"}, "repo is '../x'"),
        ({"repo": "o/..", "file": "m.safetensors"}, "repo is"),
        ({"repo": "o/n/m", "file": "m.safetensors"}, "repo is"),
        ({"repo": "o/n", "file": "m.safetensors", "revision": "main"}, "revision is"),
        *(({"mirrors": (url,), "sha256": "a" * 64}, "a mirror is") for url in
          ("file:///etc/passwd", "http://example.org/x", "ftp://example.org/x", "https://", "https:///x", "//x", "https://x/\n",
           "https://[x", "https://x:99999/")),
        ({"arch_args": {"turns": 5}}, "arch_args: turns is 5; it must be from 1 to 4"),
        ({"arch_args": {"turns": 0}}, "arch_args: turns is 0"),
        ({"arch_args": {"image": 2000}}, "arch_args: image is 2000"),
        ({"arch_args": {"project": 10**400}}, "arch_args: project is a number of very many digits|arch_args: project is"),
        ({"arch_args": {"gem": float("nan")}}, "arch_args: gem is nan"),
        ({"arch_args": {"turns": [[1]]}}, "it must be a list of at most 64 items"),
        ({"arch_args": {"scales": [1.0] * 65}}, "it must be a list of at most 64 items"),
        ({"arch_args": {"scales": [float("inf")]}}, "arch_args: scales is inf"),
        ({"dim": -5}, "dim is -5"),
        ({"params": 10**13}, "params is"),
        ({"size": -1}, "size is -1"),
        ({"fingerprint": (float("nan"),)}, "fingerprint has a number that is not finite"),
        *(({"preprocess": replace(PREPROCESS, **change)}, said) for change, said in (
            ({"resize": (2_000_000, 2_000_000)}, "resize is 2000000; it must be from 1 to 10,000"),
            ({"std": (float("nan"), 1, 1)}, "std is nan"), ({"std": (0.0, 1, 1)}, "std is"), ({"std": (1e300, 1, 1)}, "std is"),
            ({"mean": (float("inf"), 0, 0)}, "mean is inf"), ({"mode": "contain", "pad": 10**30}, "pad is"),
            ({"mode": "contain", "pad": -1}, "pad is -1"), ({"crop": (0, 0)}, "crop is 0"),
        )),
    ],
)  # fmt: skip
def test_every_other_value_has_its_bounds(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadEntry, match=said):
        toy_entry(**change)


def test_what_lies_deeper_is_held_to_the_same_rules() -> None:
    assert TEXT is not None
    for key, value in {"repo": "../x", "file": "../m.safetensors", "params": 0, "arch_args": {"width": 10**9}}.items():
        with pytest.raises(BadEntry):
            replace(TEXT, **{key: value})
    for key, value in {"repo": "../x", "file": "../t.json", "end": -1, "pad": 10**30}.items():
        with pytest.raises(BadEntry):
            replace(TEXT.tokenizer, **{key: value})
    with pytest.raises(BadEntry, match="upstream.url"):
        Upstream("file:///etc/passwd", None, "clip")
    nested: dict[str, Any] = {}
    for _ in range(9):
        nested = {"arch": "projected", "arch_args": nested}
    with pytest.raises(BadEntry, match="nested deeper than 8"):
        toy_entry(arch="projected", arch_args=nested)


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_entries_are_read_and_built_or_refused(count: int, tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    seed = json.dumps(asdict(toy_entry("resnet_small", arch_args={"turns": 2}, dim=256, params=2_012_448))).encode()

    def read() -> None:
        build_model(read_entry(path), blank=True)

    for number in range(count):
        path.write_bytes(damaged(seed, number))
        only_refused(read)
