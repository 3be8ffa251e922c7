"""Losses over labels of patches, which fine-tuning takes from label images (the column mask)."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.data.label_images import IGNORED
from omlzoo.data.table import Table
from omlzoo.errors import BadInput, notice
from omlzoo.models._dense_heads import LabelledPatches
from omlzoo.models._extractor import Extractor
from omlzoo.models._masking import patches_of
from omlzoo.training.own_parts import is_own
from omlzoo.training.recipe import Recipe

__all__ = ["RowLoss", "mask_head", "over_rows", "training_masks"]

NAME = "PatchContrast"


def training_masks(rows: Table, recipe: Recipe) -> list[Path | None] | None:
    """The label images of the training rows; None where no loss of the recipe looks at them, or there are none.

    Args:
        rows: The rows to train on.
        recipe: The settings.

    Raises:
        BadInput: A setting does not go with label images.
    """
    masks = rows.masks()
    count = sum(mask is not None for mask in masks)
    if not count or recipe.objective != "none":
        return None
    if NAME not in (recipe.loss, *recipe.add_losses):
        notice(f"{count} training rows have a label image (mask), which no loss looks at; {NAME} does")
        return None
    for wrong, setting, remedy in (
        (is_own(recipe.augment), f"augment is {recipe.augment}", "which moves the picture alone; take one of ours"),
        (recipe.cache > 0, f"cache is {recipe.cache}", "which keeps no labels of patches; set it to 0"),
        (recipe.poincare > 0, f"poincare is {recipe.poincare}", "which has no patches; set it to 0"),
    ):
        if wrong:
            raise BadInput(f"the table has label images (mask), but {setting}, {remedy}")
    if count < len(rows):
        notice(f"{len(rows) - count} of {len(rows)} training rows have no label image (mask); their patches are not "
               "learned from")  # fmt: skip
    return masks


def mask_head(body: Extractor) -> LabelledPatches:
    """The head that puts vectors and labels of patches beside the embedding.

    Raises:
        BadInput: The body gives neither a feature map nor tokens of patches.
    """
    return LabelledPatches(patches_of(body, "map").width)


def over_rows(loss: nn.Module, head: nn.Module | None, dim: int) -> nn.Module:
    """The loss over the rows of a head with labels of patches; the loss itself where the head is another one.

    Args:
        loss: A loss over embeddings and labels, or a weighted sum of some.
        head: The head of the model.
        dim: Dimension of its embeddings.
    """
    if not isinstance(head, LabelledPatches):
        return loss
    summed: Any = loss
    if isinstance(summed, catalog.find("losses", "WeightedSum")):
        summed.losses = nn.ModuleList(RowLoss(each, dim, head.patch_width) for each in summed.losses)
        made: nn.Module = summed
        return made
    return RowLoss(loss, dim, head.patch_width)


class RowLoss(nn.Module):
    """A loss over rows of :class:`omlzoo.models._dense_heads.LabelledPatches`: over patches, or over embeddings.

    PatchContrast is computed over the patches of all pictures and their labels, without those of label 255; any other
    loss over the embeddings and the labels of the pictures.

    Args:
        loss: The loss.
        dim: Dimension of the embeddings.
        patch_width: Dimension of the patches.
    """

    def __init__(self, loss: Any, dim: int, patch_width: int) -> None:
        super().__init__()
        self.loss, self.dim, self.patch_width = loss, dim, patch_width
        self.of_patches = isinstance(loss, catalog.find("losses", NAME))
        if self.of_patches:
            loss.remember_vectors_of(patch_width)

    @property
    def stats(self) -> dict[str, float]:
        """The loss's own statistics of the last batch."""
        return dict(getattr(self.loss, "stats", {}))

    def forward(self, rows: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar."""
        count = (rows.shape[1] - self.dim) // (self.patch_width + 1)
        embeddings, vectors, shown = torch.split(rows, [self.dim, count * self.patch_width, count], dim=1)
        if not self.of_patches:
            value: Tensor = self.loss(embeddings, labels)
            return value
        codes = torch.where(shown == IGNORED, -1, shown).long().flatten()
        tokens = vectors.reshape(-1, self.patch_width)
        value = self.loss(tokens, codes)
        if self.training:
            pictures = torch.arange(len(rows), device=rows.device).repeat_interleave(count)
            self.loss.remember(tokens, codes, pictures)
        return value
