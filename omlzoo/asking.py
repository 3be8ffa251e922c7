"""What a search is asked with, made comparable: pictures through the very model of the vectors, vectors as they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from omlzoo import zoo
from omlzoo.embeddings import ERROR, Embeddings, Record
from omlzoo.errors import BadInput
from omlzoo.extraction import embed
from omlzoo.extractor import Extractor

__all__ = ["Asker", "Queries", "pictures_in"]

Queries = (
    Sequence[str | Path | Image.Image]
    | str
    | Path
    | Image.Image
    | np.ndarray
    | torch.Tensor
    | Embeddings
    | pd.DataFrame
)


class Asker:
    """Queries for vectors of one record.

    Attributes:
        record: How the vectors were made.
    """

    def __init__(self, record: Record, model: Extractor | None = None) -> None:
        self.record = record
        self._model = model

    def embedded(self, queries: Queries) -> Embeddings:
        """The queries' vectors, a row for each.

        Raises:
            BadInput: They are of another model, preprocessing, normalisation or length.
        """
        record = self.record
        if isinstance(queries, torch.Tensor):
            queries = queries.detach().cpu().numpy()
        if isinstance(queries, np.ndarray):
            return self._vectors(queries)
        if not isinstance(queries, Embeddings):
            queries = embed(
                self.model(),
                queries,
                precision="bf16" if record.precision == "bf16" else "fp32",
                fast=record.decoding == "scaled",
                progress=False,
            )
            if record.full_dim is not None:
                queries = queries.truncated(record.dim)
        record.check_comparable(queries.record)
        return queries

    def model(self) -> Extractor:
        """The model that made the vectors; opened once, and refused if its weights are not the same."""
        record = self.record
        if self._model is None:
            if record.sha256.startswith("state:"):
                raise BadInput(
                    f"the vectors are of {record.model} with weights that were in no file, so pictures cannot be "
                    "embedded for them; search with vectors, or build the index of a saved model"
                )
            size = record.preprocessing().crop
            model = zoo.get_model(record.model, image_size=size, normalize=record.normalized)
            found = model.weights.entry.sha256 if model.weights else None
            if found != record.sha256:
                raise BadInput(
                    f"{record.model} has the weights {str(found)[:16]} now, the index was made with "
                    f"{record.sha256[:16]}; embed the pictures again"
                )
            self._model = model
        return self._model

    def _vectors(self, given: np.ndarray) -> Embeddings:
        if given.ndim != 2 or given.shape[1] != self.record.dim:
            raise BadInput(f"vectors have the shape {given.shape}; it must be (queries, {self.record.dim})")
        names = pd.Series([f"vector {i}" for i in range(len(given))], dtype="str")
        table = pd.DataFrame({"path": names, ERROR: pd.Series([""] * len(given), dtype="str")})
        vectors = given.astype(np.float32)
        if self.record.normalized:
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return Embeddings(vectors, table, self.record)


def pictures_in(queries: Queries) -> dict[int, Image.Image]:
    """The queries that are PIL images, by their number."""
    given = [queries] if isinstance(queries, Image.Image) else queries if isinstance(queries, Sequence) else []
    return {number: item for number, item in enumerate(given) if isinstance(item, Image.Image)}
