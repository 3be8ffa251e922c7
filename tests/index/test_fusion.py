"""Fused hits equal a loop over the pictures of all indexes, each scored by those that have it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calibrations import CALIBRATION
from toys import toy

import omlzoo
from omlzoo.checkpoints.calibration import Calibration
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.index import fuse
from omlzoo.index.index import Index


def calibrated(embeddings: Embeddings, intercept: float, slope: float) -> Index:
    record = embeddings.record
    probability = replace(CALIBRATION.probability, intercept=intercept, slope=slope)
    calibration: Calibration = replace(
        CALIBRATION, sha256=record.sha256, preprocess_hash=record.preprocess_hash, normalized=record.normalized,
        probability=probability,
    )  # fmt: skip
    return omlzoo.build_index(embeddings, calibration=calibration)


@pytest.fixture(scope="module")
def indexes(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Index]:
    """Two models over overlapping pictures: the first 120 and the last 120 of 160, one by cosine, one by distance."""
    found = []
    for name, normalize, rows in (("resnet_toy", True, slice(0, 120)), ("vit_toy", False, slice(40, 160))):
        folder = tmp_path_factory.mktemp(name)
        toy(name).save(folder / "m")
        table = pd.read_csv(drawn).iloc[rows].reset_index(drop=True)
        embeddings = omlzoo.embed(omlzoo.get_model(str(folder / "m"), normalize=normalize), table, root=drawn.parent)
        found.append(calibrated(embeddings, 3.0 - normalize, -9.0 if normalize else -0.5))
    return found


def by_hand(indexes: list[Index], file: Path) -> dict[str, list[float]]:
    """The chances of each picture, by its path: one for each index that has it."""
    chances: dict[str, list[float]] = {}
    for index in indexes:
        vector = index.encoder.encode_images([file]).vectors[0].astype(float)
        curve = index.calibration.probability  # type: ignore[union-attr]
        for path, row in zip(index.embeddings.table["path"], index.embeddings.vectors.astype(float), strict=True):
            odds = curve.intercept + curve.slope * np.linalg.norm(vector - row)
            chances.setdefault(path, []).append(odds)
    return chances


def test_chances_are_the_mean_log_odds_of_those_that_have_the_picture(indexes: list[Index], drawn: Path) -> None:
    files = [drawn.parent / path for path in pd.read_csv(drawn)["path"][[10, 77, 150]]]
    found = fuse(indexes, files, k=6, candidates=160)
    for query, file in enumerate(files):
        odds = {path: float(np.mean(each)) for path, each in by_hand(indexes, file).items()}
        best = sorted(odds, key=lambda path: -odds[path])[:6]
        mine = found[found["query"] == query]
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5, 6]
        assert mine["probability"].to_numpy() == pytest.approx(
            [1 / (1 + np.exp(-odds[path])) for path in best], abs=1e-5
        )
        assert set(mine["path"]) == set(best)
        for row in mine.itertuples():
            for number, index in enumerate(indexes):
                place = getattr(row, f"id_{number}")
                assert (place < 0) == np.isnan(getattr(row, f"probability_{number}"))
                assert place < 0 or index.embeddings.table["path"][place] == row.path
    few = fuse(indexes, files, k=2, candidates=5)
    assert few.groupby("query")["path"].apply(list).iloc[0][0] == found["path"].iloc[0]


def test_the_query_itself_is_left_out_of_all(indexes: list[Index], drawn: Path) -> None:
    file = drawn.parent / pd.read_csv(drawn)["path"][77]
    assert pd.read_csv(drawn)["path"][77] in fuse(indexes, [file], k=200)["path"].tolist()
    assert pd.read_csv(drawn)["path"][77] not in fuse(indexes, [file], k=200, exclude_self=True)["path"].tolist()


def test_many_queries_are_as_one_by_one(indexes: list[Index], drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [drawn.parent / path for path in pd.read_csv(drawn)["path"][:7]]
    whole = fuse(indexes, files, k=3)
    monkeypatch.setattr("omlzoo.index.fusion.QUERIES", 2)
    pd.testing.assert_frame_equal(fuse(indexes, files, k=3), whole, check_exact=False, atol=1e-5)


def test_what_has_no_chance_is_refused(indexes: list[Index], drawn: Path) -> None:
    bare = omlzoo.build_index(replace(indexes[1].embeddings, model=None))
    bare.calibration = None
    file = drawn.parent / pd.read_csv(drawn)["path"][0]
    with pytest.raises(BadInput, match="index 1, of .*, has no calibration, so its distances are no chances"):
        fuse([indexes[0], bare], [file])
    with pytest.raises(BadInput, match="1 indexes are given"):
        fuse(indexes[:1], [file])
    with pytest.raises(BadInput, match="queries are vectors, which are of one model"):
        fuse(indexes, indexes[0].embeddings.vectors[:1])
    with pytest.raises(BadInput, match="queries are texts"):
        fuse(indexes, "red shoe")
    with pytest.raises(BadInput, match="k is 0"):
        fuse(indexes, [file], k=0)
