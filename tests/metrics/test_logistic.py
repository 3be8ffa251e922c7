"""Logistic regression equals scikit-learn's, and its C is the best on rows that are set apart."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from omlzoo.errors import OmlzooWarning
from omlzoo.metrics._folds import deal
from omlzoo.metrics._logistic import STRENGTHS, choose_strength, fit_chosen, fit_linear


def noisy(rows: int = 120, labels: int = 6, noise: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = np.r_[np.arange(labels), random.integers(0, labels, rows - labels)]
    return random.normal(size=(labels, 8))[codes] + noise * random.normal(size=(rows, 8)), codes


def scaled(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    return centred / np.sqrt((centred**2).mean())


@pytest.mark.parametrize("strength", [1e-3, 1e-1, 10.0])
@pytest.mark.parametrize("size", [1.0, 1e-4, 1e6])
def test_weights_equal_scikit_learn_for_vectors_of_every_size(strength: float, size: float) -> None:
    vectors, codes = noisy()
    ours = fit_linear(torch.from_numpy(vectors * size + size), codes, strength)
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(scaled(vectors), codes)
    np.testing.assert_allclose(ours.weights[:, :-1].numpy(), theirs.coef_, atol=0.02)
    wanted = theirs.predict_proba(scaled(vectors))
    np.testing.assert_allclose(ours.logits(torch.from_numpy(vectors * size + size)).softmax(1), wanted, atol=2e-3)


def test_where_it_starts_does_not_matter() -> None:
    vectors, codes = noisy()
    rows = torch.from_numpy(vectors)
    far = fit_linear(rows, codes, 10.0)
    first, second = fit_linear(rows, codes, 0.01), fit_linear(rows, codes, 0.01, far)
    np.testing.assert_allclose(first.logits(rows).softmax(1), second.logits(rows).softmax(1), atol=2e-3)


def test_a_label_without_rows_is_never_found() -> None:
    vectors, codes = noisy(labels=3)
    model = fit_linear(torch.from_numpy(vectors), np.array([0, 2, 5])[codes], 1.0)
    assert set(model.predict(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)))) <= {0, 2, 5}


def test_c_is_the_best_of_a_loop_with_scikit_learn() -> None:
    chosen = set()
    for noise, seed in ((0.3, 0), (1.5, 1), (3.0, 2), (6.0, 3)):
        vectors, codes = noisy(noise=noise, seed=seed, labels=2)
        groups, rows = np.arange(len(codes)), scaled(vectors)
        apart = deal(codes, groups, 5, seed=0) == 0
        rows = (rows - rows[~apart].mean(axis=0)) / np.sqrt(((rows[~apart] - rows[~apart].mean(axis=0)) ** 2).mean())
        right = []
        for strength in STRENGTHS:  # two weights, one for each label, are scikit-learn's one with twice the C
            fitted = LogisticRegression(C=2 * strength, tol=1e-8, max_iter=10_000).fit(rows[~apart], codes[~apart])
            right.append((fitted.predict(rows[apart]) == codes[apart]).sum())
        wanted = STRENGTHS[int(np.argmax(right))]
        assert choose_strength(torch.from_numpy(vectors), codes, groups, seed=0) == wanted
        assert fit_chosen(torch.from_numpy(vectors), codes, groups, seed=0).strength == wanted
        chosen.add(wanted)
    assert len(chosen) > 1


def test_one_picture_sets_nothing_apart_and_says_so() -> None:
    with pytest.warns(OmlzooWarning, match="nothing could be set apart to choose C; it is 1"):
        assert choose_strength(torch.ones(2, 3), np.zeros(2, dtype=int), np.zeros(2, dtype=int), seed=0) == 1.0


def test_equal_rows_and_one_label_are_fitted_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_linear(torch.ones(4, 3), np.array([0, 1, 1, 1]), 1.0).predict(torch.ones(1, 3)).tolist() == [1]
        assert fit_linear(torch.randn(4, 3), np.zeros(4, dtype=int), 1.0).predict(torch.ones(1, 3)).tolist() == [0]
