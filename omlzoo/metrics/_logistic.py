"""Logistic regression over several labels, by scipy's L-BFGS, with C chosen on rows that are set apart."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.errors import notice
from omlzoo.metrics._folds import deal

__all__ = ["Linear", "choose_strength", "fit_chosen", "fit_linear"]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # values of C that are tried
APART = 5  # one group in so many is set apart to choose C
SLOPE = 1e-4  # largest slope of the mean loss at which the search ends, scikit-learn's default
STEPS = 1000


@dataclass(frozen=True)
class Linear:
    """A linear classifier.

    Attributes:
        weights: (L, D + 1) float64, those of each label and its bias last.
        centre: (D,), the row that is subtracted first.
        scale: By which rows are divided then.
        strength: C, the factor of the summed loss beside half the squared norm of the weights.
    """

    weights: Tensor
    centre: Tensor
    scale: float
    strength: float

    def logits(self, vectors: Tensor) -> Tensor:
        """(Q, L) of vectors (Q, D)."""
        rows = (vectors.double() - self.centre) / self.scale
        return torch.addmm(self.weights[:, -1], rows, self.weights[:, :-1].T)

    def predict(self, vectors: Tensor) -> np.ndarray:
        """The label (Q,) with the largest logit."""
        return np.asarray(self.logits(vectors).argmax(dim=1).numpy())


def fit_linear(vectors: Tensor, codes: np.ndarray, strength: float, start: Linear | None = None) -> Linear:
    """The minimum of C x the summed cross-entropy + half the squared norm of the weights; biases are not in the norm.

    Rows are centred and divided by one number first, so that their mean square is 1: C then means the same for vectors
    of every size, and shares between dimensions stay as they are.

    Args:
        vectors: (N, D).
        codes: (N,) int, labels from 0; a label without a row is never predicted.
        strength: C, above 0.
        start: Where the search starts, a classifier of the same rows and labels; zeros by default.

    Raises:
        MissingExtra: scipy is not installed.
    """
    minimize = catalog.optional("scipy.optimize", "calibration").minimize
    rows, targets, present = vectors.double(), *np.unique(codes, return_inverse=True)[::-1]
    centre = rows.mean(dim=0)
    rows = rows - centre
    scale = float(rows.square().mean().sqrt()) or 1.0
    rows = rows / scale
    count, wanted = len(present), torch.from_numpy(targets)
    penalty = 1 / (strength * len(rows))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat).view(count, -1)
        logits = torch.addmm(weights[:, -1], rows, weights[:, :-1].T)
        chances = logits.log_softmax(dim=1)
        value = -chances.gather(1, wanted[:, None]).mean() + penalty / 2 * weights[:, :-1].square().sum()
        slope = chances.exp_()
        slope[torch.arange(len(rows)), wanted] -= 1
        slope /= len(rows)
        gradient = torch.cat([slope.T @ rows + penalty * weights[:, :-1], slope.sum(dim=0)[:, None]], dim=1)
        return float(value), gradient.numpy().ravel()

    begin = np.zeros(count * (rows.shape[1] + 1)) if start is None else start.weights[present].numpy().ravel()
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"gtol": SLOPE, "maxiter": STEPS, "ftol": 0})
    if found.nit >= STEPS:
        notice(f"the linear probe was stopped after {STEPS} steps, before its loss was level (C {strength:g})")
    weights = torch.zeros(int(codes.max()) + 1, rows.shape[1] + 1, dtype=torch.float64)
    weights[:, -1] = -torch.inf
    weights[present] = torch.from_numpy(found.x).view(count, -1)
    return Linear(weights, centre, scale, strength)


def choose_strength(vectors: Tensor, codes: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """The C with most right answers on one group in five, fitted on the others; of several the smallest.

    Args:
        vectors: (N, D).
        codes: (N,) int, labels from 0.
        groups: (N,) int, rows that stay together.
        seed: Of the choice of groups.

    Raises:
        MissingExtra: scipy is not installed.
    """
    apart = deal(codes, groups, APART, seed) == 0
    if apart.all():
        notice("the linear probe has one picture, so nothing could be set apart to choose C; it is 1")
        return 1.0
    best, most, start = STRENGTHS[0], -1, None
    for strength in STRENGTHS:
        start = fit_linear(vectors[~apart], codes[~apart], strength, start)
        right = int((start.predict(vectors[apart]) == codes[apart]).sum())
        if right > most:
            best, most = strength, right
    return best


def fit_chosen(vectors: Tensor, codes: np.ndarray, groups: np.ndarray, seed: int) -> Linear:
    """The classifier of all rows with the C that :func:`choose_strength` finds.

    Args:
        vectors: (N, D).
        codes: (N,) int, labels from 0.
        groups: (N,) int, rows that stay together.
        seed: Of the choice of groups.

    Raises:
        MissingExtra: scipy is not installed.
    """
    return fit_linear(vectors, codes, choose_strength(vectors, codes, groups, seed))
