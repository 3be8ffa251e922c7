"""Thresholds keep what they promise, on the rows they were found on and on new labels; the index uses them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.checkpoints.calibration import Calibration, energy
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName

pytest.importorskip("scipy", reason="scipy is not installed")


def clouds(seed: int, labels: int = 60, items: int = 8, noise: float = 0.55) -> Embeddings:
    """Embeddings of labels that lie around random centres."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(labels), items)
    vectors = random.normal(size=(labels, 16))[codes] + noise * random.normal(size=(len(codes), 16)) * 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frame = pd.DataFrame({
        "path": [f"{seed}/{row}.png" for row in range(len(codes))], "label": [f"{seed}-{code}" for code in codes],
        "is_query": True, "is_gallery": True, "error": "",
    })  # fmt: skip
    return Embeddings(vectors.astype(np.float32), frame, Record("toy", "a" * 64, 16, {}, True, "fp32", "/"))


def test_cut_points_keep_their_promise_where_they_were_found() -> None:
    embeddings = clouds(0)
    found = omlzoo.calibrate(embeddings, far=(0.01, 0.1), frr=(0.1,), beta=(1.0, 0.5), names={"likely": 0.9})
    labels = embeddings.table["label"].to_numpy()
    apart = np.linalg.norm(embeddings.vectors[:, None].astype(float) - embeddings.vectors[None].astype(float), axis=2)
    upper = np.triu(np.ones_like(apart, dtype=bool), 1)
    same = (labels[:, None] == labels[None]) & upper
    for point in found.cut_points:
        if point.of != "pairs":
            continue
        right, wrong = (apart[same] <= point.value).mean(), (apart[upper & ~same] <= point.value).mean()
        assert (point.right, point.wrong) == (pytest.approx(right), pytest.approx(wrong))
        assert point.right_interval[0] <= right <= point.right_interval[1]
        assert point.wrong_interval[0] <= wrong <= point.wrong_interval[1]
    values = {point.name: point for point in found.cut_points}
    assert values["far=0.01"].wrong <= 0.01 < values["far=0.1"].wrong <= 0.1
    assert values["frr=0.1"].right >= 0.9
    best = max(
        2 * (apart[same] <= t).sum() / ((apart[upper] <= t).sum() + same.sum()) for t in np.unique(apart[upper])[::200]
    )
    point = values["f1"]
    accepted = point.right * same.sum(), point.wrong * (upper & ~same).sum()
    assert 2 * accepted[0] / (sum(accepted) + same.sum()) >= best - 1e-9
    np.fill_diagonal(apart, np.inf)
    first, nearest = apart.min(axis=1), apart.argmin(axis=1)
    right = labels[nearest] == labels
    taken = first <= values["likely"].value
    assert right[taken].mean() >= 0.9
    strange = np.where(labels[:, None] == labels[None], np.inf, apart).min(axis=1)
    assert values["unknown=0.1"].wrong == pytest.approx((strange <= values["unknown=0.1"].value).mean())
    assert values["unknown=0.1"].wrong <= 0.1
    assert values["unknown=0.1"].right == pytest.approx((right & (first <= values["unknown=0.1"].value)).mean())
    assert (found.queries, found.labels, found.same_pairs) == (480, 60, 60 * 28)


@pytest.mark.parametrize("scale", [1e-5, 1e5])
def test_thresholds_grow_with_the_vectors(scale: float) -> None:
    plain = clouds(0)
    scaled = replace(plain, vectors=plain.vectors * np.float32(scale))
    found, wanted = omlzoo.calibrate(scaled), omlzoo.calibrate(plain)
    for one, other in zip(found.cut_points, wanted.cut_points, strict=True):
        assert (one.name, one.right, one.wrong) == (
            other.name,
            pytest.approx(other.right, abs=3e-3),
            pytest.approx(other.wrong, abs=3e-3),
        )
        assert one.value == pytest.approx(other.value * scale, rel=0.02, abs=0.02 * scale)
    assert found.probability.isotonic_error == pytest.approx(wanted.probability.isotonic_error, abs=1e-3)
    assert found.probability.logistic_error == pytest.approx(wanted.probability.logistic_error, abs=1e-3)


@pytest.mark.parametrize(("scale", "message"), [
    (1e-25, "first hits are up to .*e-25 away; multiply all vectors"), (1e12, "first hits are up to .*e.12 away"), (1e20, "holds a number of"),
    (np.nan, "480 of 480 rows hold NaN"),
])  # fmt: skip
def test_distances_that_cannot_be_fitted_are_refused(scale: float, message: str) -> None:
    plain = clouds(0)
    with pytest.raises(BadInput, match=message):
        omlzoo.calibrate(replace(plain, vectors=plain.vectors * np.float32(scale)))


def test_intervals_hold_what_happens_on_new_labels() -> None:
    held = {"far": 0, "right": 0}
    for seed in range(8):
        point = omlzoo.calibrate(clouds(seed), far=(0.02,), unknown=(0.1,)).find("far=0.02")
        fresh = clouds(100 + seed, labels=200)
        vectors, labels = fresh.vectors, fresh.table["label"].to_numpy()
        squares = 2 - 2 * vectors @ vectors.T
        near = squares <= point.value**2
        same = labels[:, None] == labels[None]
        np.fill_diagonal(near, False)
        wrong = near[~same].mean()
        right = near[same].sum() / (same.sum() - len(labels))
        held["far"] += point.wrong_interval[0] <= wrong <= point.wrong_interval[1]
        held["right"] += point.right_interval[0] <= right <= point.right_interval[1]
    assert min(held.values()) >= 6, held  # 19 of 20 are promised, of many


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    """A folder whose model was calibrated."""
    folder = tmp_path_factory.mktemp("calibrated") / "model"
    toy("vit_toy", normalize=True).save(folder)
    with pytest.warns(OmlzooWarning, match="pareto=0.2, weibull=0.1: left out, 40 queries are too few for the fit"):
        omlzoo.calibrate(folder, drawn, far=(0.01,), unknown=(0.2,), frr=(0.1,), beta=())
    return folder


def test_a_folder_keeps_its_calibration_and_the_index_uses_it(calibrated: Path, drawn: Path, tmp_path: Path) -> None:
    model = omlzoo.get_model(calibrated)
    known = model.weights.entry.calibration  # type: ignore[union-attr]
    assert known is not None
    embeddings = omlzoo.embed(model, drawn)
    embeddings.save(tmp_path / "vectors.parquet")
    for made in (embeddings, omlzoo.load_embeddings(tmp_path / "vectors.parquet")):
        omlzoo.build_index(made).save(tmp_path / f"index{id(made)}")
        index = omlzoo.open_index(tmp_path / f"index{id(made)}")
        assert index.calibration == known
        hits = index.search(
            embeddings.rows(np.arange(len(embeddings)) < 30), k=3, exclude_self=True, threshold="far=1e-2"
        )
        assert hits.accepted is not None
        assert hits.is_known is not None
        assert np.array_equal(hits.accepted, hits.distances <= known.find("far=0.01").value)
        assert np.array_equal(hits.is_known, hits.accepted.any(axis=1))
        table = hits.table()
        assert table["accepted"].tolist() == hits.accepted.ravel().tolist()
        assert table["probability"].between(0, 1).all()
        energetic = index.search(embeddings, k=1, exclude_self=True, threshold="energy=0.2")
        deep = index.search(embeddings, k=10, exclude_self=True)
        wanted = energy(deep.distances, known.energy) <= known.find("energy=0.2").value
        assert np.array_equal(energetic.is_known, wanted)
        assert energetic.ids.shape[1] == 1
    with pytest.raises(UnknownName, match="the calibration has no 'far=0.5'; "):
        index.search(embeddings, threshold="far=0.5")
    best = index.search(embeddings, k=2, threshold=0.99999)
    assert best.is_known is not None
    assert best.is_known.all(), "every picture finds itself"
    assert index.search(embeddings, k=2).is_known is None


def test_a_calibration_of_another_model_is_refused(calibrated: Path, drawn: Path, tmp_path: Path) -> None:
    other = omlzoo.embed(toy("vit_toy", seed=3, normalize=True), drawn)
    with pytest.raises(BadInput, match="the calibration is of another model: sha256"):
        omlzoo.build_index(other, calibration=calibrated)
    index = omlzoo.build_index(other)
    assert index.calibration is None
    with pytest.raises(BadInput, match="this index has no calibration; run `omlzoo calibrate`"):
        index.search(other, threshold="far=0.01")
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(BadInput, match=r"no.json: not readable as JSON"):
        omlzoo.build_index(other, calibration=tmp_path / "no.json")


def test_an_image_size_of_ones_own_needs_a_calibration_of_its_own(calibrated: Path, drawn: Path) -> None:
    embeddings = omlzoo.embed(omlzoo.get_model(calibrated, image_size=24), drawn)
    with pytest.warns(OmlzooWarning, match="the calibration of .* is not used: .* preprocess_hash"):
        assert omlzoo.build_index(embeddings).calibration is None


def test_other_weights_in_the_folder_lose_it(calibrated: Path, tmp_path: Path) -> None:
    model = omlzoo.get_model(calibrated)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save(tmp_path / "changed")
    assert json.loads((tmp_path / "changed/entry.json").read_text())["calibration"] is None
    shutil.copytree(calibrated, tmp_path / "same")
    raw = json.loads((tmp_path / "same/entry.json").read_text())["calibration"]
    assert Calibration.from_json(raw, "entry").cut_points[0].name == "far=0.01"


@pytest.mark.parametrize(("settings", "message"), [
    ({"far": (1e-9,)}, r"far is 1e-09; with \d+ pairs of two labels it can be"), ({"frr": (1.0,)}, "frr is 1; it is a share"),
    ({"beta": (0,)}, "beta is 0; it must be above 0"), ({"names": {"sure": 1.1}}, "sure asks that 1.1 of the accepted"),
    ({"table": "x.csv"}, "table is given together with embeddings"),
])  # fmt: skip
def test_a_target_that_cannot_be_met_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        omlzoo.calibrate(clouds(0), **settings)  # type: ignore[arg-type]


def test_labels_that_were_trained_on_are_said(drawn: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    train, held = (frame[frame["split"] == name] for name in ("train", "validation"))
    frame.loc[held.index, "label"] = train["label"].unique()[:8].repeat(5)
    with (
        pytest.warns(OmlzooWarning, match="8 labels of the validation rows are also training labels"),
        pytest.warns(OmlzooWarning, match="left out"),
    ):
        omlzoo.calibrate(toy("vit_toy", normalize=True), frame, far=(0.1,), unknown=(0.5,), save=False)


def test_queries_that_cannot_be_right_are_said() -> None:
    embeddings = clouds(0)
    embeddings.table.loc[[0, 9], "label"] = ["alone", "alone too"]
    with pytest.warns(OmlzooWarning, match="2 of 480 queries have no relevant picture in the gallery and calibrate"):
        assert omlzoo.calibrate(embeddings, far=(0.1,)).queries == 478
