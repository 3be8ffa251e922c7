"""One set of computing options, under the same names and defaults wherever images are embedded."""

import inspect
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import omlzoo
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.ray_cluster import embed_on_ray
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor

NAMES = [item.name for item in fields(ComputeOptions)]


@pytest.mark.parametrize("act", [omlzoo.embed, omlzoo.embed_shards, omlzoo.evaluate, omlzoo.calibrate])
def test_every_act_takes_them_with_the_same_defaults(act: Any) -> None:
    taken = inspect.signature(act).parameters
    assert {name: taken[name].default for name in NAMES} == asdict(ComputeOptions())


def test_the_cluster_takes_them_too() -> None:
    assert set(NAMES) <= set(inspect.signature(embed_on_ray).parameters)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"workers": -1}, "workers is -1; it must be at least 1"),
        ({"precision": "fp8"}, "precision is 'fp8'; it must be auto, fp32, bf16 or int8"),
        ({"runtime": "tensorrt"}, "runtime is 'tensorrt'; it must be auto, torch, onnx or openvino"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_read(wrong: dict[str, Any], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        ComputeOptions(**wrong)
    with pytest.raises(BadInput, match=rule):
        omlzoo.evaluate("no such model", "no such table", **wrong)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two labels of large JPEGs, whose vectors differ when they are decoded at a smaller size."""
    random = np.random.default_rng(0)
    for number in range(8):
        folder = tmp_path / "photos" / f"label {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((1600, 1200)).save(folder / f"{number}.jpg", quality=90)
    return tmp_path / "photos"


def test_an_index_that_was_made_fast_is_evaluated_and_searched_as_it_was_made(
    photographs: Path, model: Extractor
) -> None:
    fast = omlzoo.embed(model, photographs, fast=True, progress=False)
    whole = omlzoo.embed(model, photographs, progress=False)
    assert not np.allclose(fast.vectors, whole.vectors, atol=1e-6), "the two ways of decoding differ here"
    index = omlzoo.build_index(fast)
    files = [photographs / path for path in fast.table["path"]]
    assert np.allclose(index.search(files, k=1).distances, 0, atol=1e-3)
    report = omlzoo.evaluate(model, photographs, fast=True, thorough=False, progress=False)
    assert report.embeddings is not None
    assert report.embeddings.record.decoding == "scaled"
    assert np.allclose(report.embeddings.vectors, fast.vectors, atol=1e-6)
