"""The index: embeddings that answer pictures, paths and vectors with their nearest rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omlzoo import catalog
from omlzoo.checkpoints.calibration import Calibration, CutPoint, energy
from omlzoo.data.filters import Where, matching
from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import ERROR, Embeddings, joined
from omlzoo.errors import BadInput, notice
from omlzoo.files import new_folder
from omlzoo.index.backends._backend import Backend
from omlzoo.index.hits import Hits
from omlzoo.index.queries import Queries, QueryEncoder, pictures_in, texts_in
from omlzoo.ops.direct_scores import Similarity

__all__ = ["FACTS", "VECTORS", "Index", "Recall"]

FACTS, VECTORS = "index.json", "embeddings.parquet"
OWNED = (FACTS, VECTORS, "backend.faiss", "backend.npz")
SECRET = ("token", "overwrite")  # options of a backend that are not kept
REMOVED = "removed from the index"
FEW = 20_000  # rows that pass a filter and are looked at one by one, also by an approximate backend


@dataclass(frozen=True)
class Recall:
    """The share ``value`` of the ``k`` nearest rows that an index finds, of rows drawn from it as ``queries``."""

    k: int
    queries: int
    value: float


class Index:
    """Embeddings and a backend that searches them.

    Attributes:
        embeddings: All rows; those without a vector are never found.
        backend: A name of omlzoo.index.
        options: Options of the backend.
        similarity: "cosine" where the model normalises, else "euclidean".
        calibration: The calibration of the distances; None where the index has none.
        recall: The recall of an approximate backend, measured when the index was built; None of an exact one.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        backend: str = "exact",
        calibration: Calibration | None = None,
        options: Mapping[str, Any] | None = None,
        kept: Path | None = None,
    ) -> None:
        self._take(embeddings)
        self.calibration = calibration
        if calibration is not None:
            record = embeddings.record
            calibration.check(record.sha256, record.preprocess_hash, record.normalized)
        self.backend, self.options = backend, dict(options or {})
        self.similarity: Similarity = "cosine" if embeddings.record.normalized else "euclidean"
        self.recall: Recall | None = None
        rows = np.flatnonzero(self._good)
        if not len(rows):
            raise BadInput(f"none of the {len(embeddings)} rows has a vector; there is nothing to search")
        left = int((~self._good & (embeddings.table[ERROR] != REMOVED)).sum())
        if left:
            notice(f"{left} of {len(embeddings)} rows have no vector and are never found")
        make = catalog.find("index.backends", backend)
        try:
            self.searcher: Backend = make(self.similarity, embeddings.record.dim, **self.options)
        except TypeError as error:
            verb = "needs another option than" if "missing" in str(error) else "does not take"
            raise BadInput(f"backend {backend} {verb} {sorted(self.options)} ({error})") from error
        if kept is None:
            self.searcher.add(embeddings.vectors, rows)
        else:
            self.searcher.restore(kept, embeddings.vectors, rows)
        self.encoder = QueryEncoder(embeddings.record, embeddings.model)

    def __repr__(self) -> str:
        return f"Index({self.size} rows, {self.backend}, {self.similarity}, model {self.embeddings.record.model})"

    @property
    def size(self) -> int:
        """Number of rows that can be found."""
        return self._size

    def _take(self, embeddings: Embeddings) -> None:
        self.embeddings, self._good = embeddings, embeddings.good
        self._size = int(self._good.sum())
        self._directions: Backend | None = None  # the rows by cosine, for texts where pictures are compared otherwise

    def table(self) -> Table:
        """The rows as a table with their pictures."""
        return self.embeddings.pictures("the index")

    def search(
        self,
        queries: Queries,
        k: int = 10,
        *,
        where: Where | None = None,
        exclude_self: bool = False,
        threshold: float | str | None = None,
        text: bool | None = None,
    ) -> Hits:
        """The k nearest rows of each query.

        Args:
            queries: Paths, PIL images, a table, Embeddings, vectors (Q, dim), or texts such as "red trainers with white
                sole". Pictures go through the index's model, texts through the text tower that was trained with it;
                texts are compared by cosine, whatever pictures are compared by.
            k: Hits for each query; no more than there are rows.
            where: Which rows may be found: columns and the value or values they must have, compared as text
                ({"category": "boot"}), a mask of rows (N,), or their numbers.
            exclude_self: Leave out the row with the query's own path. Otherwise a picture that is in the index is
                found first, with the score of equality.
            threshold: The least score of a hit that is accepted, or the name of a cut-point of the calibration, such as
                "far=1e-3". Hits below it are returned too, marked; ``hits.is_known`` says which queries have one above.
                A calibration is measured between pictures, so texts have scores only.
            text: Whether strings are texts; by default they are where none of them names a file or folder, ends like a
                picture's name, or has a slash.

        Raises:
            UnknownName: The calibration has no such cut-point, or the table no such column.
            BadInput: The queries are of another model, preprocessing or normalisation, or texts for a model without a
                text tower.
        """
        if k < 1:
            raise BadInput(f"k is {k}; it must be at least 1")
        texts = texts_in(queries, text)
        if texts is not None and isinstance(threshold, str):
            raise BadInput(f"threshold is {threshold!r}, measured between pictures; for a text give a least score")
        cut = self._cut_point(threshold)
        allowed = None if where is None else matching(self.embeddings.table, where) & self._good
        encoded = self.encoder.encode_images(queries) if texts is None else self.encoder.encode_texts(texts)
        good = encoded.good
        width = min(max(k, self._looked_at(cut)), self.size)
        ids = np.full((len(encoded), width), -1, dtype=np.int64)
        scores = np.full((len(encoded), width), -np.inf, dtype=np.float32)
        if good.any():
            own = self._own(encoded)[good] if exclude_self and texts is None else None
            searcher = self.searcher if texts is None else self._by_cosine()
            scores[good], ids[good] = self._find(searcher, encoded.vectors[good], width, own, allowed)
        pictures, root = pictures_in(queries), Path(encoded.record.root)
        similarity, calibration = (self.similarity, self.calibration) if texts is None else ("cosine", None)
        hits = Hits(ids, scores, encoded.table, self.embeddings, similarity, calibration, root, pictures,
                    texts=texts is not None)  # fmt: skip
        accepted = None if cut is None else self._accepted(hits, cut)
        return replace(
            hits, ids=ids[:, :k], scores=scores[:, :k], accepted=None if accepted is None else accepted[:, :k]
        )

    def _find(
        self, searcher: Backend, vectors: np.ndarray, k: int, own: np.ndarray | None, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows (Q, k); where a filter leaves few rows, each of them is looked at."""
        few = allowed is not None and searcher.approximate and allowed.sum() <= max(FEW, self.size // 20)
        searched = self._all(np.flatnonzero(allowed)) if few and allowed is not None else searcher
        scores, ids = searched.search(vectors, k, own, None if few else allowed)
        return scores, ids

    def _by_cosine(self) -> Backend:
        """The backend, or all rows' directions where it compares by another measure."""
        if self.similarity == "cosine":
            return self.searcher
        if self._directions is None:
            vectors, rows = self.embeddings.vectors, np.flatnonzero(self._good)
            norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            directions: Backend = catalog.find("index.backends", "exact")("cosine", self.embeddings.record.dim)
            directions.add(vectors / norms, rows)
            self._directions = directions  # whole at once: other threads search it
        return self._directions

    def _all(self, rows: np.ndarray) -> Backend:
        exact: Backend = catalog.find("index.backends", "exact")(self.similarity, self.embeddings.record.dim)
        exact.add(self.embeddings.vectors, rows)
        return exact

    def add(self, embeddings: Embeddings) -> np.ndarray:
        """Add rows; their numbers (M,) follow the last one. Pictures that are in the index are left out, with a notice.

        Raises:
            BadInput: They are of another model, preprocessing or normalisation.
        """
        ours = self.embeddings
        ours.record.check_comparable(embeddings.record)
        theirs = embeddings.pictures("the new rows")
        here = {key for key, good in zip(_keys(self.table()), self._good, strict=True) if good}
        files = theirs.files()
        known = np.array([key in here and file.is_file() for key, file in zip(_keys(theirs), files, strict=True)], bool)
        if known.any():
            notice(f"{known.sum()} of {len(known)} pictures are in the index already and were left out")
        new = embeddings.rows(~known)
        if embeddings.record.root != ours.record.root:
            kept = [str(file.absolute()) for file, left in zip(files, known, strict=True) if not left]
            new = replace(new, table=new.table.assign(path=pd.Series(kept, dtype="str")))
        self._take(joined([ours, new]))
        rows = np.arange(len(ours), len(self.embeddings))
        if new.good.any():
            self.searcher.add(self.embeddings.vectors, rows[new.good])
        return rows

    def remove(self, where: Where) -> int:
        """Remove the rows that ``where`` selects, as in :meth:`search`; returns how many. Others keep their numbers.

        Raises:
            BadInput: No row would be left.
        """
        gone = matching(self.embeddings.table, where) & self._good
        if gone.sum() == self.size:
            raise BadInput(f"all {self.size} rows would be removed; an index has at least one")
        table = self.embeddings.table.copy()
        table.loc[gone, ERROR] = REMOVED
        self.searcher.remove(np.flatnonzero(gone))
        self._take(replace(self.embeddings, table=table))
        return int(gone.sum())

    def measure_recall(self, k: int = 10, queries: int = 1000, seed: int = 0) -> Recall:
        """The share of the k exactly nearest rows that the backend finds, for queries drawn from the rows of the index.

        A row counts as found where it is as near as the k-th exact one. The result is kept in ``recall``.

        Args:
            k: Hits for each query; at most the number of other rows.
            queries: Number of rows that are drawn as queries; at most all rows.
            seed: Seed of the drawing.

        Raises:
            BadInput: The index has fewer than two rows, or ``k`` is below 1.
        """
        rows = np.flatnonzero(self._good)
        rows = np.sort(np.random.default_rng(seed).choice(rows, min(queries, len(rows)), replace=False))
        k = min(k, self.size - 1)
        if k < 1:
            raise BadInput("the index has one row; recall needs two")
        exact_scores, _ = self._all(np.flatnonzero(self._good)).search(self.embeddings.vectors[rows], k, rows)
        scores, _ = self.searcher.search(self.embeddings.vectors[rows], k, rows)
        self.recall = Recall(k, len(rows), float((scores >= exact_scores[:, -1:]).mean()))
        return self.recall

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
        with new_folder(folder, owned=OWNED) as temporary:
            self.embeddings.save(temporary / VECTORS)
            self.searcher.save(temporary)
            facts = {
                "backend": self.backend,
                "options": {name: value for name, value in self.options.items() if name not in SECRET},
                "recall": None if self.recall is None else asdict(self.recall),
                "similarity": self.similarity,
                "calibration": None if self.calibration is None else json.loads(self.calibration.to_json()),
                "record": json.loads(self.embeddings.record.to_json()),
            }
            (temporary / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def _own(self, queries: Embeddings) -> np.ndarray:
        """Position of each query among the rows that can be found, by its file and box; -1 where it is not there."""
        keys = _keys(self.table())
        positions = {keys[row]: row for row in np.flatnonzero(self._good)}
        return np.array([positions.get(key, -1) for key in _keys(queries.pictures("queries"))], dtype=np.int64)


def _keys(table: Table) -> list[tuple[str, Any]]:
    return [(str(file.resolve()), box) for file, box in zip(table.files(), table.boxes(), strict=True)]
