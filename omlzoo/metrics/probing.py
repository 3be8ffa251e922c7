"""Probes: how well labels can be read from vectors that are not trained further, by neighbours or by a linear layer."""

import numpy as np
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.metrics._logistic import fit_chosen
from omlzoo.metrics._selection import Ids
from omlzoo.ops.codes import label_codes
from omlzoo.ops.directions import directions
from omlzoo.ops.rows import Rows, as_rows
from omlzoo.ops.votes import vote

__all__ = ["knn_accuracy", "linear_probe"]


def knn_accuracy(
    train: Rows, train_labels: Ids, embeddings: Rows, labels: Ids, *, k: int = 20, temperature: float = 0.07
) -> dict[str, float]:
    """Share of rows whose label is elected by the k nearest training rows: {"knn@20": ...}.

    A row at cosine s votes for its label with exp(s / temperature). Instance discrimination (arXiv 1805.01978) has
    k 200 and temperature 0.1, DINO (arXiv 2104.14294) temperature 0.07 and k 10 to 200, of which 20 is usually best. Of
    two labels with as many votes that of the nearer row wins. All training rows vote where there are fewer than k.

    Args:
        train: (N, D), rows that vote.
        train_labels: (N,) their ids.
        embeddings: (Q, D), rows that are asked for; none should be among those that vote.
        labels: (Q,) their ids. One that no training row has counts as wrong.
        k: How many rows vote.
        temperature: Of the votes; the smaller, the more the nearest counts.

    Raises:
        BadInput: Shapes differ, there is no row, a number is not finite, a label is missing, text and numbers are
            mixed, or k or the temperature is out of its range.
    """
    voters, asked, codes, wanted = _checked(train, train_labels, embeddings, labels)
    units = [torch.from_numpy(directions(rows.numpy())) for rows in (voters, asked)]
    elected = vote(units[0], torch.from_numpy(codes), units[1], k, temperature)
    return {f"knn@{k}": float((elected.numpy() == wanted).mean())}


def linear_probe(train: Rows, train_labels: Ids, embeddings: Rows, labels: Ids, *, seed: int = 0) -> dict[str, float]:
    """Share of rows whose label a logistic regression of the training rows finds: {"linear": ...}.

    No learning rate is tuned: the minimum is found by L-BFGS, its C among 0.0001 to 10 on one in five training rows
    that is set apart, and all training rows are then fitted. Rows are centred and divided by one number first.

    Args:
        train: (N, D), rows that are fitted.
        train_labels: (N,) their ids.
        embeddings: (Q, D), rows that are asked for; none should be among those that are fitted.
        labels: (Q,) their ids. One that no training row has counts as wrong.
        seed: Of the choice of the rows that are set apart.

    Raises:
        BadInput: Shapes differ, there is no row, a number is not finite, a label is missing, or text and numbers are
            mixed.
        MissingExtra: scipy is not installed.
    """
    fitted, asked, codes, wanted = _checked(train, train_labels, embeddings, labels)
    model = fit_chosen(fitted, codes, np.arange(len(codes)), seed)
    return {"linear": float((model.predict(asked) == wanted).mean())}


def _checked(train: Rows, train_labels: Ids, asked: Rows, labels: Ids) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Rows of both kinds, and their labels as codes of one list, those of training rows first."""
    rows = as_rows(train, "train").cpu(), as_rows(asked, "embeddings").cpu()
    found = []
    for name, values, ids, ids_name in (
        ("train", rows[0], train_labels, "train_labels"), ("embeddings", rows[1], labels, "labels")
    ):  # fmt: skip
        if not len(values) or values.shape[1] != rows[0].shape[1]:
            shape = tuple(values.shape)
            raise BadInput(f"{name} have the shape {shape}; it must be (rows, {rows[0].shape[1]}), one row or more")
        if ids is None:
            raise BadInput(f"{ids_name} are missing; give each row an id")
        found.append(label_codes(ids, ids_name, count=len(values)))
    (codes, names), (wanted, others) = found
    joint = label_codes([*names, *others], "train_labels and labels")[0]  # text and numbers are never equal
    return rows[0], rows[1], codes, joint[len(names) :][wanted]
