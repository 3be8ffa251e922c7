"""build_index() and open_index()."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.checkpoints.folder import open_entry
from omlzoo.data.picture_list import Source
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.options import Runtime
from omlzoo.embedding.plain_vectors import of_vectors
from omlzoo.errors import BadInput, notice
from omlzoo.index.addresses import absolute, named_options
from omlzoo.index.index import Index
from omlzoo.index.storage import read_index
from omlzoo.jsonio import read_json
from omlzoo.models._trust import Trust, as_packages
from omlzoo.ops.codes import is_tensor
from omlzoo.zoo.registry import get_weights

if TYPE_CHECKING:
    from omlzoo.models._extractor import Extractor

__all__ = ["Index", "build_index", "open_index"]


def build_index(
    embeddings: Embeddings | Source,
    *,
    model: "Extractor | str | Path | None" = None,
    table: pd.DataFrame | str | Path | None = None,
    grid: int | None = None,
    backend: str = "exact",
    calibration: Calibration | str | Path | None = None,
    **options: Any,
) -> Index:
    """An index over embeddings. The recall of an approximate backend is measured and kept as ``index.recall``.

    Args:
        embeddings: Embeddings that ``omlzoo.embed`` or ``omlzoo.load_embeddings`` returned; or, with a model, the
            pictures: anything that ``omlzoo.embed`` takes; or plain vectors (N, D), to be searched with vectors.
        model: What embeds the pictures, as in ``omlzoo.embed``; None where embeddings or vectors are given.
        table: A row for each of plain vectors: a DataFrame, or a csv or Parquet file.
        grid: Where a model embeds the pictures: also so many parts of each, as in ``omlzoo.embed``.
        backend: A name of omlzoo.index.backends: "exact" looks at every vector, "faiss" at a graph of neighbours,
            "lancedb", "qdrant", "pgvector" and "milvus" are stores; docs/search.md has them all. Another package may
            offer one by the entry-point group ``omlzoo.backends``.
        calibration: What ``omlzoo.calibrate`` returned, or a folder or JSON file that has it; by default that of the
            model's entry.
        options: Options of the backend, such as ``uri=`` of "lancedb", "pgvector" and "milvus", ``path=`` or ``url=``
            of "qdrant".

    Raises:
        UnknownName: There is no such backend.
        BadInput: Pictures are given without a model, no row has a vector, the calibration is of another model, or the
            backend refuses an option.
        MissingExtra: The backend's package is not installed.
    """
    embeddings = _embedded(embeddings, model, table, grid)
    if isinstance(calibration, str | Path):
        calibration = _read_calibration(Path(calibration))
    elif calibration is None:
        calibration = _of_model(embeddings)
    index = Index(embeddings, backend, calibration, absolute(options))
    if index.rows.searcher.approximate and index.size > 1:
        index.measure_recall()
    return index


def _embedded(
    source: Embeddings | Source,
    model: "Extractor | str | Path | None",
    table: pd.DataFrame | str | Path | None,
    grid: int | None,
) -> Embeddings:
    """The embeddings as they are, or those of pictures or of plain vectors."""
    if grid is not None and model is None:
        raise BadInput("grid is for pictures that a model embeds; give model=, or embed with grid= first")
    numbers = isinstance(source, np.ndarray) or is_tensor(source)
    if table is not None and (model is not None or not numbers):
        raise BadInput("table is for plain vectors (N, D); embeddings and pictures have theirs, leave table out")
    if numbers and model is None and getattr(source, "ndim", 0) == 2:
        return of_vectors(source, table)
    if isinstance(source, Embeddings):
        if model is not None:
            raise BadInput("model is given together with embeddings, which have theirs; leave model out")
        return source
    if model is None:
        raise BadInput(f"an index is built over embeddings, not {type(source).__name__}; embed first, or give model=")
    from omlzoo.embedding.extraction import embed

    return embed(model, source, grid=grid)


def open_index(
    folder: str | Path,
    *,
    model: str | Path | None = None,
    root: str | Path | None = None,
    trust: Trust = None,
    runtime: Runtime | None = None,
    **options: Any,
) -> Index:
    """The index that ``Index.save`` wrote.

    Args:
        folder: The folder of the index.
        model: Where the model that made the vectors lies now, where it was moved; its weights must be the same.
        root: Where the pictures lie now, where they were moved: the folder that relative paths start from.
        trust: As in ``omlzoo.get_model``: the package of the model's class, where the vectors are of a module of one's
            own.
        runtime: What computes the vectors of query pictures: "torch", or "onnx" as in ``omlzoo.embed``. With "onnx"
            the model's exported file is kept, and a later process answers a few pictures by it without importing
            torch. None, the default, takes such a file where there is one and says so, else torch.
        options: Options of the backend that hold instead of those that the folder names, such as ``uri=`` of "milvus".
            A server that a folder names is spoken to only if it is named here too, or in OMLZOO_MILVUS_URI,
            OMLZOO_QDRANT_URL, OMLZOO_PGVECTOR_URI; so is the folder of Qdrant's local mode (OMLZOO_QDRANT_PATH), which
            has pickles.

    Raises:
        BadInput: The folder is none of ours or damaged, or names a server that nobody here named.
    """
    folder = Path(folder)
    embeddings, facts = read_index(folder)
    moved: dict[str, Any] = {"model": model and str(model), "root": root and str(Path(root).resolve())}
    record = replace(embeddings.record, **{name: place for name, place in moved.items() if place})
    embeddings = replace(embeddings, record=record)
    named = named_options(facts.backend, facts.options, absolute(options), folder)
    index = Index(embeddings, facts.backend, facts.calibration, named, kept=folder)
    index.encoder.trust, index.encoder.runtime = as_packages(trust), runtime
    index.recall, index.saved = facts.recall, (folder.resolve(), facts.generation)
    return index


def _read_calibration(path: Path) -> Calibration:
    if path.is_dir():
        calibration = open_entry(path).calibration
        if calibration is None:
            raise BadInput(f"{path}: its entry has no calibration; run `omlzoo calibrate {path} TABLE`")
        return calibration
    return Calibration.from_json(read_json(path), str(path))


def _of_model(embeddings: Embeddings) -> Calibration | None:
    """The calibration of the entry of the model, if it is at hand and of these very weights and preprocessing."""
    record, model = embeddings.record, embeddings.model
    facts = getattr(model, "weights", None)
    if facts is None and Path(record.model).is_dir():
        facts = get_weights(record.model)
    calibration: Calibration | None = None if facts is None else facts.entry.calibration
    if calibration is None:
        return None
    try:
        calibration.check(record.sha256, record.preprocess_hash, record.normalized)
    except BadInput as error:
        notice(f"the calibration of {record.model} is not used: {error}")
        return None
    return calibration
