"""Queries of a search as vectors: pictures and texts go through the model of the index's vectors, vectors stay."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from PIL import Image

from omlzoo.checkpoints.cache import home
from omlzoo.data.images import DECODER, SUFFIXES
from omlzoo.data.late_picture import Picture
from omlzoo.data.picture_list import Source, Stream, open_source
from omlzoo.data.sources._pixels import is_array, pixels_of
from omlzoo.data.sources.arrays import picture_arrays
from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import ERROR, Embeddings, Record
from omlzoo.embedding.kept_engine import KeptEngine
from omlzoo.embedding.options import ComputeOptions, Runtime
from omlzoo.errors import BadInput, OmlzooError, notice
from omlzoo.index.query_vectors import FEW, are_vectors, as_query_array, comparable, numbered
from omlzoo.ops.directions import directions
from omlzoo.zoo.registry import get_model, get_weights

if TYPE_CHECKING:  # imported where they are used: a query of vectors, or by an engine that is kept, needs no torch
    import torch

    from omlzoo.embedding.pipeline import Pipeline
    from omlzoo.models._extractor import Extractor
    from omlzoo.zoo.text_model import TextModel

__all__ = ["Queries", "QueryEncoder", "is_text", "pictures_in", "texts_in"]

Queries: TypeAlias = (
    "Sequence[str | Path | Image.Image] | Sequence[Sequence[float]] | str | Path | Image.Image | np.ndarray "
    "| torch.Tensor | Embeddings | Source"
)

COPIED_WHEN_WRITTEN = int(pd.__version__.partition(".")[0]) >= 3  # what a shallow copy of a table shares
SAID = 80  # characters of a text that a message repeats


class QueryEncoder:
    """Queries of any kind to vectors that can be compared with those of one record.

    It is the one way from an image to a query vector: the library, the command and the server call it.

    Args:
        record: How the vectors of the index were made.
        model: The extractor that made them; by default it is opened by the record's address when it is first needed.
        runtime: What computes the queries' vectors: "torch" or "onnx", as in :func:`omlzoo.embed`. None, the default,
            is torch, or ONNX Runtime for a few pictures where torch is not imported and an earlier run with "onnx"
            kept the model's exported file, which is said.
    """

    def __init__(self, record: Record, model: "Extractor | None" = None, runtime: Runtime | None = None) -> None:
        self.record, self.runtime = record, runtime
        self.trust: tuple[str, ...] = ()  # packages whose classes the model's folder may name
        self._model = model
        self._run: Pipeline | None = None
        self._text_model: TextModel | None = None

    def encode_images(self, queries: Queries) -> Embeddings:
        """The queries' vectors, a row for each; a row that cannot be compared has an error.

        Raises:
            BadInput: They are of another model, preprocessing, normalisation or dimension, or vectors that cannot be
                compared.
        """
        record = self.record
        if are_vectors(queries):
            return self._vectors(as_query_array(queries))
        if isinstance(queries, Embeddings):
            _say_decoding(record, queries.record)
        else:
            queries = self._embedded(queries)
        record.check_comparable(queries.record)
        vectors, faults = comparable(queries.vectors, record.normalized)
        errors = queries.table[ERROR].where(queries.table[ERROR] != "", pd.Series(faults, queries.table.index, "str"))
        return replace(queries, vectors=vectors, table=queries.table.assign(**{ERROR: errors}))

    def _embedded(self, queries: Source) -> Embeddings:
        """The queries' pictures by the model of the record."""
        opened = open_source(queries)
        if isinstance(opened, Stream):
            from omlzoo.embedding.streaming import embed_stream

            return self._conforming(embed_stream(self.model(), opened, run=self.pipeline(), progress=False))
        return self._by_kept_engine(*opened) or self._by_pipeline(*opened)

    def _by_kept_engine(self, table: Table, pictures: Sequence[Picture] | None) -> Embeddings | None:
        """The vectors by an exported model that is kept; None where torch is to compute them."""
        if self.runtime not in (None, "onnx") or self._model is not None:
            return None
        engine = KeptEngine.of(self.record, len(table))
        if engine is None:
            return None
        if self.runtime is None:
            notice("ONNX Runtime computes the query, by a file that runtime='onnx' kept; runtime='torch' takes torch")
        _say_decoding(self.record, replace(self.record, decoder=DECODER))
        return engine.embed(table, pictures)

    def _by_pipeline(self, table: Table, pictures: Sequence[Picture] | None) -> Embeddings:
        from omlzoo.embedding.extraction import embed_table

        return self._conforming(embed_table(self.model(), table, pictures, run=self.pipeline(), progress=False))

    def _conforming(self, queries: Embeddings) -> Embeddings:
        return queries if self.record.full_dim is None else queries.truncated(self.record.dim)

    def encode_pixels(self, pixels: "Sequence[torch.Tensor | None]") -> np.ndarray:
        """Vectors (B, dim) float32 of images that :meth:`pipeline` decoded; NaN where there is none."""
        return self.record.conform(self.pipeline().vectors(pixels))

    def pipeline(self) -> "Pipeline":
        """The model as it computes queries: decoding and precision are those of the record. Made once."""
        if self._run is None:
            from omlzoo.embedding.choices import settled
            from omlzoo.embedding.pipeline import Pipeline

            record = self.record
            runtime = self.runtime or "torch"
            options = ComputeOptions(fast=record.decoding == "scaled", runtime=runtime, icc=record.profiles)
            options = settled(self.model(), options, (), 0, kept=self._precision())
            _say_decoding(record, replace(record, decoder=DECODER))
            self._run = Pipeline.of(self.model(), options)
        return self._run

    def _precision(self) -> str:
        """That of the record; float32 where its int8 model is not here."""
        if self.record.precision != "int8":
            return self.record.precision
        from omlzoo.embedding.engines._int8_file import int8_digest, int8_file

        if int8_digest(int8_file(self.model())) == self.record.calibrated:
            return self.record.precision
        notice(f"the int8 model that made the vectors is not in {home()}; queries are computed in float32")
        return "fp32"

    def with_runtime(self, runtime: Runtime) -> "QueryEncoder":
        """The same encoder, its images' vectors computed by another engine."""
        if runtime == (self.runtime or "torch"):
            return self
        other = QueryEncoder(self.record, self.model(), runtime)
        other.trust = self.trust
        other._text_model = self._text_model
        return other

    @property
    def reads_texts(self) -> bool:
        """Whether the record's checkpoint has a text tower."""
        try:
            return get_weights(self.record.model).entry.text is not None
        except OmlzooError:  # a model that lives in this process only
            return False

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Vectors of texts with an L2 norm of 1, by the text tower of the record's checkpoint; ``path`` is the text.

        Raises:
            BadInput: The checkpoint has no text tower, or its weights are not those of the vectors.
        """
        if self._text_model is None and not self.reads_texts:
            quoted = repr(texts[0]) if len(texts[0]) <= SAID else f"{texts[0][:SAID]!r}..."
            raise BadInput(f"{quoted} names no file, and {self.record.model} has no text tower that could read it")
        vectors = directions(self.text_model()(texts)[:, : self.record.dim].numpy())
        table = pd.DataFrame({"path": pd.Series(texts, dtype="str"), ERROR: pd.Series([""] * len(texts), dtype="str")})
        return Embeddings(vectors, table, replace(self.record, normalized=True))

    def text_model(self) -> "TextModel":
        """The text tower of the model that made the vectors; opened once, and refused if its weights are not theirs."""
        if self._text_model is None:
            from omlzoo.zoo.text_model import get_text_model

            if get_weights(self.record.model).entry.sha256 != self.record.sha256:
                self._opened()
            self._text_model = get_text_model(self.record.model)
        return self._text_model

    def model(self) -> "Extractor":
        """The model that made the vectors; opened once, and refused if its weights are not the same."""
        if self._model is None:
            self._model = self._opened()
        return self._model

    def _opened(self) -> "Extractor":
        from omlzoo.checkpoints.state_dict import state_digest

        record = self.record
        in_no_file = record.sha256.startswith("state:")  # or in one whose sha256 its entry does not know
        try:
            model = get_model(
                record.model, image_size=record.preprocessing().crop, normalize=record.normalized, trust=self.trust
            )
        except OmlzooError as error:
            if not in_no_file and Path(record.model).is_absolute() and not Path(record.model).exists():
                raise BadInput(f"the vectors are of {record.model}, which is not there; where it was moved, say where: "
                               "open_index(..., model=FOLDER), --model FOLDER") from error  # fmt: skip
            if not in_no_file:
                raise
            raise BadInput(
                f"the vectors are of {record.model} with weights that were in no file, so pictures cannot be "
                f"embedded for them ({error}); search with vectors, or build the index of a saved model"
            ) from error
        digest = f"state:{state_digest(model.state_dict())}" if in_no_file else str(model.entry.sha256)
        if digest != record.sha256:
            raise BadInput(
                f"{record.model} has the weights {digest[:16]} now, the index was made with "
                f"{record.sha256[:16]}; embed the pictures again"
            )
        return model

    def _vectors(self, given: np.ndarray) -> Embeddings:
        if given.ndim != 2 or given.shape[1] != self.record.dim:
            raise BadInput(f"vectors have the shape {given.shape}; it must be (queries, {self.record.dim})")
        kept = len(given) <= FEW
        table = numbered(len(given)).copy(deep=not COPIED_WHEN_WRITTEN) if kept else numbered.__wrapped__(len(given))
        vectors, faults = comparable(given, self.record.normalized)
        if any(faults):
            broken = [number for number, fault in enumerate(faults) if fault]
            raise BadInput(
                f"vectors: {len(broken)} of {len(given)} cannot be searched for, the first is row {broken[0]}: "
                f"{faults[broken[0]]}; leave those rows out"
            )
        return Embeddings.without_errors(vectors, table, self.record)


def _say_decoding(ours: Record, theirs: Record) -> None:
    differs = ours.decoding_differs(theirs)
    if differs:
        notice(f"the queries are decoded in another way than the pictures of the index: {differs}")


def pictures_in(queries: Queries) -> dict[int, Picture]:
    """The queries that are pictures in memory, by their number, for a page that shows them."""
    if is_array(queries):
        listed = None if are_vectors(queries) else picture_arrays(queries, Path())
        return {} if listed is None else dict(enumerate(listed.pictures))
    if isinstance(queries, memoryview):
        return {}
    items = [queries] if isinstance(queries, Image.Image | bytes) else queries if isinstance(queries, Sequence) else []
    if are_vectors(items):
        return {}
    shown = [(number, item) for number, item in enumerate(items) if not isinstance(item, str | Path)]
    return {number: pixels_of(item) if is_array(item) else item for number, item in shown}


def texts_in(queries: Queries, text: bool | None = None) -> list[str] | None:
    """The queries as texts, or None where they are not texts.

    Args:
        queries: As in ``Index.search``.
        text: Whether strings are texts. None, the default: they are where none of them names a file or folder, ends
            like a picture's name, or has a slash.

    Raises:
        BadInput: ``text`` is True and the queries are not strings, or some are texts and others name files.
    """
    listed: Sequence[object] = (
        [queries] if isinstance(queries, str) else queries if isinstance(queries, list | tuple) else []
    )
    texts = [one for one in listed if isinstance(one, str)]
    strings = bool(texts) and len(texts) == len(listed)
    if text is None and strings:
        worded = [is_text(one) for one in texts]
        if any(worded) and not all(worded):
            first, other = texts[worded.index(True)][:SAID], texts[worded.index(False)][:SAID]
            raise BadInput(
                f"{first!r} is no file and {other!r} is one by its name; search for texts and for pictures one after "
                "the other"
            )
        text = all(worded)
    if text and not strings:
        raise BadInput(f"text is True, but the queries are {type(queries).__name__}; give a string, or a list of them")
    return texts if text else None


def is_text(query: str) -> bool:
    """Whether a string is a text: it names no file or folder, ends like no picture's name, and has no slash."""
    try:
        exists = Path(query).exists()
    except (OSError, ValueError):  # too long for a file's name, or with a character that none has
        exists = False
    return not ("/" in query or "\\" in query or Path(query).suffix.lower() in SUFFIXES or exists)
