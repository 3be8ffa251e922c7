"""How well vectors inside pictures tell what is there: labels of patches by their nearest patches."""

import numpy as np
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.ops.directions import directions
from omlzoo.ops.rows import as_rows
from omlzoo.ops.votes import vote

__all__ = ["dense_knn"]

Maps = np.ndarray | Tensor


def dense_knn(
    train: Maps, train_masks: Maps, maps: Maps, masks: Maps, *, k: int = 20, temperature: float = 0.07,
    ignored: int = 255,
) -> dict[str, float]:  # fmt: skip
    """Labels of patches elected by the k nearest patches of other pictures: {"miou@20": ..., "patches@20": ...}.

    Votes are those of :func:`omlzoo.metrics.knn_accuracy`. "miou" is the mean over labels of the patches that have the
    label and were given it, divided by those that have it or were given it (intersection over union); labels that no
    patch has or was given do not count. "patches" is the share of patches that are right. A patch has the label of its
    middle, and does not count where that is ``ignored`` or below 0.

    Args:
        train: (N, D, h, w), vectors of patches that vote, as ``model.dense`` gives them; lengths do not matter.
        train_masks: (N, H, W) integer, the label images of these pictures as the model sees them, of any size.
        maps: (B, D, h, w), vectors of patches that are asked for, of other pictures.
        masks: (B, H, W) integer, their label images.
        k: How many patches vote.
        temperature: Of the votes.
        ignored: A label that does not count.

    Raises:
        BadInput: Shapes differ, a number is not finite, labels are no whole numbers, no patch counts, or k or the
            temperature is out of its range.
    """
    voters, codes = _patches(train, train_masks, ignored, "train")
    asked, wanted = _patches(maps, masks, ignored, "maps")
    if voters.shape[1] != asked.shape[1]:
        raise BadInput(f"train has vectors of {voters.shape[1]} numbers and maps of {asked.shape[1]}; take one model")
    units = [torch.from_numpy(directions(rows.numpy())) for rows in (voters, asked)]
    found = vote(units[0], codes, units[1], k, temperature)
    shares = []
    for label in np.union1d(wanted.numpy(), found.numpy()).tolist():
        has, given = wanted == label, found == label
        shares.append(float((has & given).sum()) / float((has | given).sum()))
    return {f"miou@{k}": float(np.mean(shares)), f"patches@{k}": float((found == wanted).double().mean())}


def _patches(maps: Maps, masks: Maps, ignored: int, name: str) -> tuple[Tensor, Tensor]:
    """The vectors (P, D) of the patches that count, and their labels (P,)."""
    vectors, labels = (torch.as_tensor(each).detach().cpu() for each in (maps, masks))
    if vectors.ndim != 4 or labels.ndim != 3 or len(vectors) != len(labels) or labels.is_floating_point():
        raise BadInput(
            f"{name} have the shape {tuple(vectors.shape)} and their masks {tuple(labels.shape)}, {labels.dtype}; they "
            "must be (N, D, h, w), numbers, and (N, H, W), whole numbers"
        )
    middle = nn.functional.interpolate(labels[:, None].double(), vectors.shape[2:], mode="nearest-exact")
    shown = middle.flatten().long()
    rows = vectors.movedim(1, 3).flatten(0, 2)
    counted = (shown >= 0) & (shown != ignored)
    if not counted.any():
        raise BadInput(f"no patch of {name} counts: all labels are {ignored} or below 0")
    return as_rows(rows[counted], name), shown[counted]
