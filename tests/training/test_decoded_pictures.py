"""Decoded pictures are kept where it pays and fits; what is trained is the same to the byte, kept or not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from toys import PREPROCESS, toy

import omlzoo
from omlzoo.data import table
from omlzoo.data.decoded_cache import DecodedCache
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.training import Recipe, Run, decoded_pictures
from omlzoo.training.building import build_data
from omlzoo.training.decoded_pictures import keeping_decoded
from omlzoo.training.validation import Probe

QUICK: dict[str, Any] = {
    "epochs": 3, "n_labels": 2, "n_instances": 3, "lr": 1e-3, "log": "none", "selection": 0.5, "duplicates": False,
}  # fmt: skip
PROBE = Probe("map@r", "fp32", torch.device("cpu"))


@pytest.fixture
def photographs(tmp_path: Path) -> pd.DataFrame:
    """16 JPEGs of 4 labels and 4 to measure on; a toy model of 32 pixels needs 64 of their 256."""
    random, rows = np.random.default_rng(0), []
    for number in range(20):
        levels = random.integers(0, 256, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(levels).resize((320, 256)).save(tmp_path / f"{number}.jpg")
        split, shown = ("train", None) if number < 16 else ("validation", True)
        row = {"path": str(tmp_path / f"{number}.jpg"), "label": number % 4 // (1 if number < 16 else 2)}
        rows.append({**row, "split": split, "is_query": shown, "is_gallery": shown})
    return pd.DataFrame(rows)


def data_of(rows: pd.DataFrame, decode: str = "fast") -> Any:
    read = table.read(rows, "train")
    kept = read.rows((read.frame["split"] == "train").to_numpy())
    return build_data(kept, Recipe(**QUICK, decode=decode), PREPROCESS, Path("unused"), torch.device("cpu"))


def tune(rows: pd.DataFrame, out: Path, **settings: Any) -> Run:
    return omlzoo.finetune(toy("vit_toy"), rows, out=out, progress=False, **QUICK | settings)


def weights(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


def test_kept_or_not_the_weights_are_the_same(
    tmp_path: Path, photographs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    remove = DecodedCache.remove

    def measured(cache: DecodedCache) -> None:
        if cache.folder.exists():
            sizes.append(cache.size)
        remove(cache)

    monkeypatch.setattr(DecodedCache, "remove", measured)
    kept = tune(photographs, tmp_path / "kept", decoded_gb=0.01, workers=2)
    plain = tune(photographs, tmp_path / "plain", decoded_gb=0)
    assert weights(kept) == weights(plain)
    assert kept.history["loss"].tolist() == plain.history["loss"].tolist()
    (size,), one = sizes, 3 * 80 * 64  # bytes of a picture, a quarter of its sides
    assert 8 * one <= size <= 10 * one, "each of the two labels' once; two workers may decode one at the same time"
    assert not (tmp_path / "kept/decoded.cache").exists()


def test_the_recipe_says_whether_large_pictures_are_reduced(photographs: pd.DataFrame) -> None:
    assert data_of(photographs).pictures.picture(0).size == (80, 64)
    assert data_of(photographs, "whole").pictures.picture(0).size == (320, 256)


def test_what_does_not_fit_is_said_before(
    tmp_path: Path, photographs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, room = data_of(photographs), 3 * 80 * 64 * 4
    keeping = keeping_decoded(data, PROBE, None, tmp_path / "kept", 2, room / 1e9)
    with pytest.warns(OmlzooWarning, match=r"about 25% of the decoded pictures fit .* decoded_gb = 0.00026 keeps all"):
        keeping.__enter__()
    assert PROBE.kept is None
    assert len({data.pictures.picture(row).tobytes() for row in range(16)}) == 16
    assert data.pictures.kept.size == room
    keeping.__exit__(None, None, None)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10**9))
    with pytest.raises(BadInput, match=r"decoded_gb is 2, but .* has 1.0 GB left; lower it, or set it to 0"):
        keeping_decoded(data, PROBE, None, tmp_path / "kept", 2, 2).__enter__()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(("quick", "epochs", "kept"), [(0.0, 2, True), (10.0, 2, False), (0.0, 1, False)])
def test_by_itself_it_keeps_what_takes_time_in_a_quarter_of_the_free_space(
    tmp_path: Path, photographs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, quick: float, epochs: int, kept: bool
) -> None:
    """With one epoch left each picture is read once, and there is nothing to keep."""
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10**9))
    monkeypatch.setattr(decoded_pictures, "QUICK", quick)
    data = data_of(photographs)
    with keeping_decoded(data, PROBE, None, tmp_path / "kept", epochs, -1):
        assert (None if data.pictures.kept is None else data.pictures.kept.limit) == (250_000_000 if kept else None)
    assert data.pictures.kept is None


def test_what_a_killed_run_left_is_removed_and_unreadable_pictures_are_passed_over(
    tmp_path: Path, photographs: pd.DataFrame
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/pixels").write_bytes(b"half")
    (tmp_path / "5.jpg").write_bytes(b"broken")
    data = data_of(photographs)
    with keeping_decoded(data, PROBE, None, tmp_path / "kept", 1, 0):
        assert not (tmp_path / "kept").exists()
    with keeping_decoded(data, PROBE, None, tmp_path / "kept", 2, 0.01):
        assert [row for row in range(16) if data.pictures[row, 0][0] is None] == [5]
        assert data.pictures.kept.size == 15 * 3 * 80 * 64
