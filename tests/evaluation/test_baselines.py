"""What needs no training is measured beside the model, on the same rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import omlzoo
from omlzoo.cli import main
from omlzoo.data.images import to_rgb
from omlzoo.embedding.options import ComputeOptions
from omlzoo.errors import OmlzooWarning
from omlzoo.evaluation.baselines import colour_histogram, picture_baselines, random_weights, raw_pixels
from omlzoo.metrics import retrieval
from omlzoo.models._extractor import Extractor


def test_a_histogram_counts_colours() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    counts = np.zeros((8, 8, 8))
    for red, green, blue in picture.reshape(-1, 3).tolist():
        counts[red // 32, green // 32, blue // 32] += 1
    found = colour_histogram(Image.fromarray(picture))
    np.testing.assert_allclose(found, np.sqrt(counts / 35).ravel(), rtol=1e-6)


def test_raw_pixels_are_means_of_parts() -> None:
    picture = np.kron(np.arange(16, dtype=np.uint8)[:, None, None] * 10, np.ones((4, 64, 3), dtype=np.uint8))
    found = raw_pixels(Image.fromarray(picture)).reshape(16, 16, 3)
    np.testing.assert_allclose(found[3:13, 0, 0], np.arange(3, 13) * 10 / 255, atol=0.01)


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """Five labels, each of one colour, in noise: a table that colours alone solve."""
    random, rows = np.random.default_rng(0), []
    for number in range(15):
        colour = 16 + 32 * np.array([number % 5, (number * 2) % 5, (number * 3) % 5])
        picture = (colour + random.integers(-8, 8, (20, 20, 3))).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        rows.append({"path": f"{number}.png", "label": number % 5})
    pd.DataFrame(rows).assign(split="validation", is_query=1, is_gallery=1).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_the_report_has_them_beside_the_model(
    coloured: Path, model: Extractor, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(OmlzooWarning, match="the table (is easy|does not need this model): "):
        report = omlzoo.evaluate(model, coloured, baselines=True)
    frame = pd.read_csv(coloured)
    vectors = np.stack([raw_pixels(to_rgb(coloured.parent / path)) for path in frame["path"]])
    wanted = retrieval(vectors, frame["label"].tolist(), cmc=(1, 5, 10), precision=(1, 5, 10), map=(5, 10))
    assert list(report.baselines) == ["raw pixels", "colour histogram", "random weights"]
    found = report.baselines["raw pixels"]
    assert found == pytest.approx({name: wanted[name] for name in found})
    assert report.baselines["colour histogram"]["cmc@1"] == 1.0, "a label is a colour"
    assert "easy" in [each.kind for each in report.findings]
    assert json.loads(report.to_json())["baselines"] == report.baselines
    report.html(coloured.with_suffix(".html"))
    assert "colour histogram" in coloured.with_suffix(".html").read_text()
    model.save(coloured.parent / "model")
    assert main(["evaluate", str(coloured.parent / "model"), str(coloured), "--baselines"]) == 0
    assert "raw pixels" in capsys.readouterr().out.splitlines()[0]


def test_without_being_asked_nothing_is_measured(coloured: Path, model: Extractor) -> None:
    assert omlzoo.evaluate(model, coloured).baselines == {}


def test_embeddings_without_their_model_have_no_random_weights(
    coloured: Path, model: Extractor, tmp_path: Path
) -> None:
    embeddings = omlzoo.embed(model, pd.read_csv(coloured), root=coloured.parent)
    embeddings.save(tmp_path / "e.parquet")
    with pytest.warns(OmlzooWarning, match="the table|no baseline of random weights"):
        report = omlzoo.evaluate(omlzoo.load_embeddings(tmp_path / "e.parquet"), baselines=True)
    assert list(report.baselines) == ["raw pixels", "colour histogram"]


def test_random_weights_are_the_same_for_a_seed_and_leave_the_generator_alone(coloured: Path) -> None:
    model = omlzoo.get_model("resnet_small_omniglot", weights=None)
    rows = omlzoo.embed(model, pd.read_csv(coloured), root=coloured.parent).pictures()
    before = torch.get_rng_state()
    options = ComputeOptions(precision="fp32")
    first, again, other = (random_weights(model, rows, options, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.momentum is not None, "the model itself is left alone"


def test_they_hold_one_row_for_each_picture(coloured: Path, model: Extractor) -> None:
    rows = omlzoo.embed(model, pd.read_csv(coloured), root=coloured.parent).pictures()
    found = picture_baselines(rows)
    assert {name: values.shape for name, values in found.items()} == {
        "raw pixels": (15, 768), "colour histogram": (15, 512),
    }  # fmt: skip
