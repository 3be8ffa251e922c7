"""Metrics do not depend on the scale of the vectors, nor on where they lie; what float32 cannot hold is refused."""

from typing import Any

import numpy as np
import pytest

from omlzoo.errors import BadInput
from omlzoo.metrics import _pair_curve as pairs_room
from omlzoo.metrics import (
    alignment,
    compare,
    fnmr_at_fmr,
    intervals,
    opis,
    pcf,
    retrieval,
    retrieval_per_query,
    uniformity,
    verification,
)  # fmt: skip

LABELS = np.arange(60) // 5
DRAW = np.random.default_rng(0)
VECTORS = (np.repeat(DRAW.normal(size=(12, 16)), 5, axis=0) + 0.6 * DRAW.normal(size=(60, 16))).astype(np.float32)


def free_of_scale(vectors: np.ndarray) -> dict[str, Any]:
    pairs = verification(vectors, LABELS).metrics | fnmr_at_fmr(vectors, LABELS) | {"opis": opis(vectors, LABELS)}
    kept = {name: value for name, value in pairs.items() if not name.startswith("distance")}
    return kept | retrieval(vectors, LABELS, full_list=True, ndcg=(5,)) | pcf(vectors, (0.5, 0.9))


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-20, 1e-12, 1e-5, 1e5, 1e14])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("exact", [True, False])
def test_shares_do_not_depend_on_the_scale(
    scale: float, kind: type, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs_room, "EXACT", 1 << 24 if exact else 0)
    wanted = free_of_scale(VECTORS)
    assert 0 < wanted["ap"] < 1, "not all are right"
    assert free_of_scale(VECTORS.astype(kind) * kind(scale)) == pytest.approx(wanted, abs=1e-4)
    assert alignment(VECTORS.astype(kind) * kind(scale), LABELS) == pytest.approx(
        alignment(VECTORS, LABELS) * scale**2, rel=1e-5
    )


def test_where_the_vectors_lie_does_not_matter() -> None:
    assert free_of_scale(VECTORS.astype(np.float64) + 1e4) == pytest.approx(free_of_scale(VECTORS), abs=1e-9)


@pytest.mark.parametrize("value", [1e16, 1e20, 3e38, np.inf, np.nan])
@pytest.mark.parametrize("call", [
    lambda x: retrieval(x, LABELS), lambda x: verification(x, LABELS), lambda x: fnmr_at_fmr(x, LABELS), lambda x: opis(x, LABELS),
    lambda x: alignment(x, LABELS), uniformity, pcf, lambda x: retrieval_per_query(x, LABELS, similarity="cosine"),
], ids=range(8))  # fmt: skip
def test_what_float32_cannot_hold_is_refused(call: Any, value: float) -> None:
    vectors = VECTORS.copy()
    vectors[7, 3] = value
    message = (
        "row 7 holds a number of" if np.isfinite(value) else "1 of 60 rows hold NaN or infinity, the first is row 7"
    )
    with pytest.raises(BadInput, match=f"embeddings: {message}"):
        call(vectors)


@pytest.mark.parametrize("seed", range(4))
def test_lengths_may_be_mixed(seed: int) -> None:
    lengths = 10.0 ** np.random.default_rng(seed).uniform(-5, 5, (60, 1))
    mixed = (VECTORS * lengths).astype(np.float32)
    apart = np.linalg.norm(mixed[:, None].astype(np.float64) - mixed[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    same = LABELS[:, None] == LABELS[None]
    np.fill_diagonal(same, False)
    found = retrieval_per_query(mixed, LABELS, full_list=True)
    assert found.first[:, 0].tolist() == apart.argmin(axis=1).tolist()
    for query in range(60):
        far = apart[query]
        wanted = np.mean([(same[query] & (far <= one)).sum() / (far <= one).sum() for one in far[same[query]]])
        assert found.values["ap"][query] == pytest.approx(wanted)
    upper = np.triu_indices(60, 1)
    near, far = apart[upper][same[upper]].astype(np.float32), apart[upper][~same[upper]].astype(np.float32)
    nearer = (near[:, None] < far).mean() + (near[:, None] == far).mean() / 2
    assert verification(mixed, LABELS).metrics["auc"] == pytest.approx(nearer)


def test_rows_of_zeros_are_rows_like_others() -> None:
    vectors = VECTORS.copy()
    vectors[[3, 9]] = 0
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert retrieval(vectors, LABELS)["cmc@1"] == (LABELS[apart.argmin(axis=1)] == LABELS).mean()


def test_uniformity_of_far_and_long_rows_is_that_of_a_loop() -> None:
    for vectors in (VECTORS + np.float32(1e3), VECTORS * 100):
        apart = [float(np.square(a - b).sum()) for i, a in enumerate(vectors.astype(np.float64)) for b in vectors[:i]]
        least = min(apart)
        wanted = -2 * least + np.log(np.mean([np.exp(-2 * (each - least)) for each in apart]))
        assert uniformity(vectors) == pytest.approx(wanted, rel=1e-6)


def test_the_cosine_is_that_of_any_lengths() -> None:
    lengths = np.float32(10.0) ** np.random.default_rng(1).integers(-20, 14, (60, 1)).astype(np.float32)
    wanted = retrieval_per_query(VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True), LABELS, similarity="cosine")
    found = retrieval_per_query(VECTORS * lengths, LABELS, similarity="cosine")
    assert found.first.tolist() == wanted.first.tolist()
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-6)


@pytest.mark.parametrize("call", [retrieval, verification, fnmr_at_fmr, opis, alignment])
@pytest.mark.parametrize(("labels", "message"), [
    ([1, "1"] * 30, "labels mix kinds"), ([None, *LABELS[1:]], "labels: 1 are missing, in row 0"),
    ([float("nan"), *LABELS[1:]], "labels: 1 are missing, in row 0"), (None, "labels are missing"),
], ids=range(4))  # fmt: skip
def test_labels_are_never_merged_nor_missing(call: Any, labels: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call(VECTORS, labels)


@pytest.mark.parametrize("call", [
    lambda ids: retrieval(VECTORS, LABELS, cameras=ids), lambda ids: retrieval(VECTORS, LABELS, sequences=ids),
    lambda ids: retrieval(VECTORS, LABELS, categories=ids), lambda ids: intervals({"x": VECTORS[:, 0]}, ids),
    lambda ids: compare(VECTORS[:, 0], VECTORS[:, 1], ids),
], ids=["cameras", "sequences", "categories", "intervals", "compare"])  # fmt: skip
def test_other_ids_are_not_merged_either(call: Any) -> None:
    with pytest.raises(BadInput, match="mix kinds: 1 .* and '1'"):
        call([1, "1"] * 30)


@pytest.mark.parametrize("labels", [[0.5, 2**53, 2**53 + 1, 7], ["a", "a\0", "b", "b\0"], [10**30, 10**30 + 1, 1, 2]])
def test_labels_that_an_array_would_merge_stay_apart(labels: list[Any]) -> None:
    found = retrieval(VECTORS, labels * 15, per_label=True, full_list=True)
    assert found == retrieval(VECTORS, [0, 1, 2, 3] * 15, full_list=True) | {"per_label": found["per_label"]}
    assert sorted(found["per_label"]) == sorted(map(str, labels))


def test_values_that_are_not_finite_have_no_mean() -> None:
    with pytest.raises(BadInput, match="the values hold NaN or infinity, the first in row 1"):
        compare(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
