"""Vectors that a teacher gives pictures, computed once for each picture and kept on disk for all its students."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from omlzoo.checkpoints.cache import home
from omlzoo.data.table import Table
from omlzoo.data.table_rules import BOX
from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.embedding.extraction import record_of
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.record import Record
from omlzoo.embedding.replacement import shards_to_fill
from omlzoo.embedding.shard_writer import fill_shards
from omlzoo.embedding.shards import Shards
from omlzoo.models._extractor import Extractor
from omlzoo.training.distributed import from_first, is_first
from omlzoo.training.recipe import Recipe

__all__ = ["TeacherVectors"]

LOG = logging.getLogger(__name__)
KEY = 16  # hex digits in the name of a folder


@dataclass(frozen=True)
class TeacherVectors:
    """The vectors of one teacher.

    Attributes:
        model: The teacher, whose own preprocessing its pictures go through.
        record: How the vectors are made.
        folder: Where they are kept: below ``OMLZOO_HOME``, named after weights, preprocessing and place of the table.
    """

    model: Extractor
    record: Record
    folder: Path

    @classmethod
    def of(cls, model: Extractor, table: Table, recipe: Recipe, device: torch.device, progress: bool) -> Self:
        """The vectors of all rows of a table; those that are on disk already, also from other tables, are taken.

        Args:
            model: The teacher.
            table: The rows, with boxes if there are some.
            recipe: The settings; the teacher computes in bf16 where they say so, otherwise in fp32.
            device: Where the teacher computes.
            progress: Whether to show a progress bar.

        Raises:
            BadInput: The folder is being written by another run, or is damaged.
        """
        precision: Any = "bf16" if recipe.precision == "bf16" else "fp32"
        run = Pipeline.of(model, ComputeOptions(precision=precision, device=str(device)))
        record = record_of(model, table.root, run)
        name = "".join(letter if letter.isalnum() else "_" for letter in model.entry.name)
        folder = home() / "teachers" / f"{name}-{hashlib.sha256(record.to_json().encode()).hexdigest()[:KEY]}"
        if is_first():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with shards_to_fill(folder, record, "float32") as shards:
                had = fill_shards(shards, _pictures(table), run, progress)
            if had:
                LOG.info("%s of %s vectors of the teacher are in %s already", had, len(table), folder)
        from_first(None)  # the others wait
        return cls(model, record, folder)

    def vectors(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """The vectors (N, E) float32 of rows, and the error of each, "" where it has a vector."""
        return Shards.open(self.folder).of(_pictures(table))

    def embeddings(self, table: Table) -> Embeddings:
        """The embeddings of rows, as ``omlzoo.embed`` gives them."""
        vectors, errors = self.vectors(table)
        frame = table.frame.assign(**{ERROR: pd.Series(errors, dtype="str", index=table.frame.index)})
        return Embeddings(vectors, frame, self.record, self.model)


def _pictures(table: Table) -> Table:
    """The rows with what says which picture each is, and nothing else."""
    columns = ["path", *(side for side in BOX if side in table.frame)]
    return Table(table.frame[columns], table.root, table.name)
