"""build_index() and open_index(): embeddings that answer pictures, paths and vectors with their nearest rows."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from omlzoo import catalog, checkpoint, zoo
from omlzoo.atomic import new_folder
from omlzoo.calibration import Calibration, CutPoint, energy
from omlzoo.embeddings import ERROR, Embeddings, Record, load_embeddings
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.extraction import embed
from omlzoo.extractor import Extractor
from omlzoo.hits import Hits
from omlzoo.nearest import Similarity
from omlzoo.table import Table

__all__ = ["Index", "build_index", "open_index"]

FACTS, VECTORS = "index.json", "embeddings.parquet"
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


class Index:
    """Embeddings and a backend that searches them.

    Attributes:
        embeddings: All rows; those without a vector are never found.
        backend: A name of omlzoo.index.
        similarity: "cosine" where the model normalises, else "euclidean".
        calibration: What its distances mean; None where nobody measured it.
    """

    def __init__(self, embeddings: Embeddings, backend: str = "exact", calibration: Calibration | None = None) -> None:
        self.embeddings = embeddings
        self.calibration = calibration
        if calibration is not None:
            record = embeddings.record
            calibration.check(record.sha256, record.preprocess_hash, record.normalized)
        self.backend = backend
        self.similarity: Similarity = "cosine" if embeddings.record.normalized else "euclidean"
        self._rows = np.flatnonzero(embeddings.good)
        if not len(self._rows):
            raise BadInput(f"none of the {len(embeddings)} rows has a vector; there is nothing to search")
        if len(self._rows) < len(embeddings):
            left = len(embeddings) - len(self._rows)
            warnings.warn(f"{left} of {len(embeddings)} rows have no vector and are never found", OmlzooWarning, 3)
        self._search = catalog.find("index", backend)(embeddings.vectors[self._rows], self.similarity)
        self._model: Extractor | None = embeddings.model

    def __repr__(self) -> str:
        return f"Index({self.size} rows, {self.backend}, {self.similarity}, model {self.embeddings.record.model})"

    @property
    def size(self) -> int:
        """Number of rows that can be found."""
        return len(self._rows)

    def table(self) -> Table:
        """The rows as a table with their pictures."""
        return Table(self.embeddings.table, Path(self.embeddings.record.root), "the index")

    def search(
        self, queries: Queries, k: int = 10, *, exclude_self: bool = False, threshold: float | str | None = None
    ) -> Hits:
        """The k nearest rows of each query.

        Args:
            queries: Paths, PIL images, a table, Embeddings, or vectors (Q, dim). Pictures go through the index's model.
            k: Hits for each query; no more than there are rows.
            exclude_self: Leave out the row with the query's own path. Otherwise a picture that is in the index is
                found first, with the score of equality.
            threshold: The least score of a hit that is accepted, or the name of a cut-point of the calibration, such as
                "far=1e-3". Hits below it are returned too, marked; ``hits.is_known`` says which queries have one above.

        Raises:
            UnknownName: The calibration has no such cut-point.
            BadInput: The queries are of another model, preprocessing or normalisation.
        """
        if k < 1:
            raise BadInput(f"k is {k}; it must be at least 1")
        cut = self._cut_point(threshold)
        found = self._embedded(queries)
        good = found.good
        width = min(max(k, self._looked_at(cut)), self.size)
        ids = np.full((len(found), width), -1, dtype=np.int64)
        scores = np.full((len(found), width), -np.inf, dtype=np.float32)
        if good.any():
            own = self._own(found)[good] if exclude_self else None
            best, places = self._search.search(found.vectors[good], width, own)
            scores[good] = best
            ids[good] = np.where(places < 0, -1, self._rows[places])
        hits = Hits(ids, scores, found.table, self, Path(found.record.root), _images(queries))
        accepted = None if cut is None else self._accepted(hits, cut)
        return replace(
            hits, ids=ids[:, :k], scores=scores[:, :k], accepted=None if accepted is None else accepted[:, :k]
        )

    def _cut_point(self, threshold: float | str | None) -> CutPoint | float | None:
        if not isinstance(threshold, str):
            return threshold
        if self.calibration is None:
            raise BadInput(
                f"threshold is {threshold!r}, but this index has no calibration; run `omlzoo calibrate` and give the "
                "folder it wrote to build_index(..., calibration=...), or give a least score"
            )
        return self.calibration.find(threshold)

    def _looked_at(self, cut: CutPoint | float | None) -> int:
        """Hits that the cut-point needs."""
        energetic = isinstance(cut, CutPoint) and cut.statistic == "energy" and self.calibration is not None
        return self.calibration.energy.k if energetic and self.calibration else 1

    def _accepted(self, hits: Hits, cut: CutPoint | float) -> np.ndarray:
        if not isinstance(cut, CutPoint):
            return np.asarray((hits.scores >= cut) & (hits.ids >= 0))
        if cut.statistic == "distance" or self.calibration is None:
            return np.asarray(hits.distances <= cut.value)
        return np.asarray((energy(hits.distances, self.calibration.energy) <= cut.value)[:, None] & (hits.ids >= 0))

    def save(self, folder: str | Path) -> None:
        """Write a folder that :func:`open_index` opens.

        Raises:
            BadInput: It exists and holds something else.
        """
        with new_folder(folder, owned=(FACTS, VECTORS)) as temporary:
            self.embeddings.save(temporary / VECTORS)
            facts = {
                "backend": self.backend,
                "similarity": self.similarity,
                "calibration": None if self.calibration is None else json.loads(self.calibration.to_json()),
                "record": json.loads(self.embeddings.record.to_json()),
            }
            (temporary / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def _embedded(self, queries: Queries) -> Embeddings:
        record = self.embeddings.record
        if isinstance(queries, torch.Tensor):
            queries = queries.detach().cpu().numpy()
        if isinstance(queries, np.ndarray):
            if queries.ndim != 2 or queries.shape[1] != record.dim:
                raise BadInput(f"vectors have the shape {queries.shape}; it must be (queries, {record.dim})")
            names = pd.Series([f"vector {i}" for i in range(len(queries))], dtype="str")
            table = pd.DataFrame({"path": names, ERROR: pd.Series([""] * len(queries), dtype="str")})
            vectors = queries.astype(np.float32)
            if self.similarity == "cosine":
                vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            return Embeddings(vectors, table, record)
        if not isinstance(queries, Embeddings):
            queries = embed(
                self._open_model(),
                queries,
                precision="bf16" if record.precision == "bf16" else "fp32",
                progress=False,
            )
        record.check_comparable(queries.record)
        return queries

    def _open_model(self) -> Extractor:
        """The model that made the index; opened once, and refused if its weights are not the same."""
        record = self.embeddings.record
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

    def _own(self, queries: Embeddings) -> np.ndarray:
        """Position of each query among the rows that can be found, by its file and box; -1 where it is not there."""
        here = self.table()
        keys = _keys(here)
        place = {keys[row]: position for position, row in enumerate(self._rows)}
        theirs = Table(queries.table, Path(queries.record.root), "queries")
        return np.array([place.get(key, -1) for key in _keys(theirs)], dtype=np.int64)


def build_index(
    embeddings: Embeddings, *, backend: str = "exact", calibration: Calibration | str | Path | None = None
) -> Index:
    """An index over embeddings.

    Args:
        embeddings: Of ``omlzoo.embed`` or ``omlzoo.load_embeddings``.
        backend: A name of omlzoo.index: "exact" looks at every vector.
        calibration: Of ``omlzoo.calibrate``, or a folder or JSON file that has it; by default that of the
            model's entry.

    Raises:
        UnknownName: There is no such backend.
        BadInput: No row has a vector, or the calibration is of another model.
    """
    if isinstance(calibration, str | Path):
        calibration = _read_calibration(Path(calibration))
    elif calibration is None:
        calibration = _of_model(embeddings)
    return Index(embeddings, backend, calibration)


def open_index(folder: str | Path) -> Index:
    """The index that ``Index.save`` wrote.

    Raises:
        BadInput: The folder is none of ours.
    """
    facts = Path(folder) / FACTS
    if not facts.is_file():
        raise BadInput(f"{folder}: has no {FACTS}; give a folder that `omlzoo index` or Index.save wrote")
    embeddings = load_embeddings(Path(folder) / VECTORS)
    try:
        settings: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
        record, backend = Record.from_json(json.dumps(settings["record"])), str(settings["backend"])
        known = settings.get("calibration")
        calibration = None if known is None else Calibration.from_json(known, f"{facts}: calibration")
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{facts}: damaged ({error}); build the index again") from error
    if record != embeddings.record:
        raise BadInput(f"{folder}: {FACTS} and {VECTORS} are of different runs; build the index again")
    return Index(embeddings, backend, calibration)


def _read_calibration(path: Path) -> Calibration:
    if path.is_dir():
        found = checkpoint.open_entry(path).calibration
        if found is None:
            raise BadInput(f"{path}: its entry has no calibration; run `omlzoo calibrate {path} TABLE`")
        return found
    try:
        return Calibration.from_json(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a calibration that can be read ({error})") from error


def _of_model(embeddings: Embeddings) -> Calibration | None:
    """The calibration of the entry of the model, if it is at hand and of these very weights and preprocessing."""
    record, model = embeddings.record, embeddings.model
    facts = getattr(model, "weights", None)
    if facts is None and Path(record.model).is_dir():
        facts = zoo.get_weights(record.model)
    found: Calibration | None = None if facts is None else facts.entry.calibration
    if found is None:
        return None
    try:
        found.check(record.sha256, record.preprocess_hash, record.normalized)
    except BadInput as error:
        warnings.warn(f"the calibration of {record.model} is not used: {error}", OmlzooWarning, 3)
        return None
    return found


def _keys(table: Table) -> list[tuple[str, Any]]:
    return [(str(file.resolve()), box) for file, box in zip(table.files(), table.boxes(), strict=True)]


def _images(queries: Queries) -> dict[int, Image.Image]:
    given = [queries] if isinstance(queries, Image.Image) else queries if isinstance(queries, Sequence) else []
    return {number: item for number, item in enumerate(given) if isinstance(item, Image.Image)}
