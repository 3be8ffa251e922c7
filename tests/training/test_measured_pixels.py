"""Pictures that are measured again give the same vectors, and are decoded once unless their files change."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import toy

from omlzoo.data import table
from omlzoo.embedding import pipeline
from omlzoo.models._extractor import Extractor
from omlzoo.training.measured_pixels import MeasuredPixels
from omlzoo.training.validation import Probe


@pytest.fixture
def rows(tmp_path: Path) -> table.Table:
    """Nine pictures, the last one in two crops, and a file that is no picture."""
    for number in range(9):
        levels = np.random.default_rng(number).integers(0, 256, (50, 60, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{number}.png")
    (tmp_path / "9.png").write_bytes(b"broken")
    read = table.read(tmp_path, "embed")
    frame = read.frame.iloc[[*range(10), 8]].reset_index(drop=True)
    for name, value in zip(("x_1", "y_1", "x_2", "y_2"), (5, 5, 45, 45), strict=True):
        frame[name] = [np.nan] * 10 + [value]
    return table.Table(frame, read.root, "t")


def vectors(model: Extractor, rows: table.Table, kept: MeasuredPixels | None) -> np.ndarray:
    with pytest.warns(match="1 picture"):
        return Probe("map@r", "fp32", torch.device("cpu"), kept).embed(model, rows).vectors


def test_the_vectors_are_the_same_and_pictures_are_decoded_once(
    tmp_path: Path, rows: table.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, decoded = toy("vit_toy"), []
    to_rgb = pipeline.to_rgb
    monkeypatch.setattr(pipeline, "to_rgb", lambda path, *args: (decoded.append(path.name), to_rgb(path, *args))[1])
    plain = vectors(model, rows, None)
    kept = MeasuredPixels(tmp_path / "kept", rows, 10**6)
    counts = []
    for _ in range(3):
        decoded.clear()
        np.testing.assert_array_equal(vectors(model, rows, kept), plain)
        counts.append(len(decoded))
    assert counts == [11, 1, 1], "what cannot be read is tried again"
    Image.new("RGB", (50, 60)).save(rows.files()[3])
    decoded.clear()
    changed = vectors(model, rows, kept)
    assert sorted(decoded) == ["3.png", "9.png"]
    assert (changed[3] != plain[3]).any()
    np.testing.assert_array_equal(np.delete(changed, 3, 0), np.delete(plain, 3, 0))


def test_rows_that_it_does_not_know_are_decoded(tmp_path: Path, rows: table.Table) -> None:
    model = toy("vit_toy")
    kept = MeasuredPixels(tmp_path / "kept", rows.rows(np.arange(11) < 4), 10**6)
    for _ in range(2):
        np.testing.assert_array_equal(vectors(model, rows, kept), vectors(model, rows, None))
    assert kept.cache.size == 4 * 3 * 32 * 32
