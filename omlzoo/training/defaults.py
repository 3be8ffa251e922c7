"""Default settings that follow from a table."""

import os
from collections.abc import Collection
from typing import Any

import pandas as pd

__all__ = ["loader_workers", "suggest"]

BATCH = 32  # pictures, about
LARGEST_APART = 0.15  # of the labels
MANY = 4  # categories, from which batches are drawn category by category


def suggest(train: pd.DataFrame, given: Collection[str]) -> dict[str, Any]:
    """Suggest the composition of batches from the labels, their sizes and the categories.

    Args:
        train: The training rows, with the columns label and, if there is one, category.
        given: Names of settings that were decided; they are not suggested, nor is what follows from them.

    Returns:
        Settings by name: ``n_instances`` (median size of a label, 2 to 4), ``n_labels`` (about 32 pictures in
        a batch), ``sampler`` and ``n_categories`` where there are categories enough.
    """
    if {"n_labels", "n_instances", "n_categories", "sampler"} & set(given):  # one of them decides what the others mean
        return {}
    sizes = train.groupby("label").size()
    settings: dict[str, Any] = {"n_instances": int(min(4, max(2, sizes.median())))}
    apart = max(2, round(LARGEST_APART * len(sizes)))  # the labels that may be set apart to choose the epoch
    labels = max(1, min(BATCH // settings["n_instances"], len(sizes) - apart))
    settings["n_labels"] = labels
    if "category" in train:
        of_category = train.groupby("category")["label"].nunique()
        if len(of_category) >= MANY and of_category.median() >= 2:
            settings["sampler"], settings["n_categories"] = "CategoryBalanced", 2
            settings["n_labels"] = max(1, labels // 2)
    return settings


def loader_workers(rows: int) -> int:
    """Number of processes that load ``rows`` pictures: 0 below 512, otherwise one fewer than cores, from 1 to 8."""
    if rows < 512:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores - 1))
