"""Vectors of a few pictures by an exported model that is kept, so that a process need not import torch for them."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo import catalog
from omlzoo.checkpoints.engine_files import kept_engine
from omlzoo.data.images import DECODER, to_rgb
from omlzoo.data.late_picture import LatePicture, Picture
from omlzoo.data.remarks import Remarks
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.embedding.columns import ERROR, NOT_FINITE, check_names, error_column
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.failures import say_failures
from omlzoo.embedding.record import Record
from omlzoo.errors import BadImage, notice

__all__ = ["KeptEngine"]

FEW = 16  # pictures; with more the pipeline, which computes several at once, is worth the import of torch


class KeptEngine:
    """The model of a record as ONNX Runtime computes it from the file that ``runtime="onnx"`` once kept.

    Args:
        record: How the vectors were made that others are to be compared with.
        session: The open file.
    """

    def __init__(self, record: Record, session: Any) -> None:
        self.record, self.session = record, session
        self.transform = Transform(record.preprocessing())

    @staticmethod
    def of(record: Record, pictures: int) -> "KeptEngine | None":
        """The engine of a record.

        None where torch is imported already or the pictures are many, where the vectors are not of float32, and where
        no file of the very model is kept, or none that ONNX Runtime opens.

        Args:
            record: How the vectors were made that others are to be compared with.
            pictures: How many are to be embedded.
        """
        if "torch" in sys.modules or pictures > FEW or record.precision != "fp32":
            return None
        path = kept_engine(record.model, record.sha256, record.preprocessing().crop, record.normalized)
        if path is None or find_spec("onnxruntime") is None:
            return None
        runtime = catalog.optional("onnxruntime", "onnx")
        try:
            return KeptEngine(record, runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
        except Exception as error:  # the engine raises classes of its own
            notice(f"{path} cannot be used ({str(error)[:200]}), torch computes in its place; remove that file")
            return None

    def embed(self, table: Table, pictures: Sequence[Picture] | None = None) -> Embeddings:
        """Vectors as those of the record, a row for each picture; one without a vector has an error.

        Args:
            table: A row for each picture.
            pictures: What each is opened from, where that is not the table's file.

        Raises:
            BadInput: A column of the table has a name of ours.
        """
        for text in table.notices:
            notice(text)
        check_names(table.frame, table.name)
        remarks, rows, errors = Remarks(), [], []
        for picture, box in zip(pictures or table.pictures(), table.boxes(), strict=True):
            vector, error = self._vector(picture, box, remarks)
            rows.append(vector)
            errors.append(error)
        say_failures(errors)
        remarks.say()
        frame = table.frame.assign(**{ERROR: error_column(errors, table.frame.index)})
        vectors = self.record.conform(np.stack(rows))
        return Embeddings(vectors, frame, replace(self.record, root=str(table.root.resolve()), decoder=DECODER))

    def _vector(self, picture: Picture, box: Any, remarks: Remarks) -> tuple[np.ndarray, str]:
        """The model's own vector (D,), NaN where there is none, and why."""
        dim = self.record.full_dim or self.record.dim
        least = self.transform.preprocess.resize if self.record.decoding == "scaled" else None
        try:
            decoded = to_rgb(picture, box, least, self.record.profiles, remarks)
            images = self.transform.array(decoded)[None]
        except (BadImage, MemoryError) as error:
            return np.full(dim, np.nan, np.float32), str(error) or f"{_name(picture)}: not enough memory"
        vector = np.asarray(self.session.run(None, {"images": images})[0][0])
        if np.isfinite(vector).all():
            return vector, ""
        return np.full(dim, np.nan, np.float32), f"{_name(picture)}: {NOT_FINITE}"


def _name(picture: Picture) -> str:
    return str(picture) if isinstance(picture, Path | LatePicture) else "a picture"
