"""build_index() and open_index(): embeddings that answer pictures, paths and vectors with their nearest rows."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from omlzoo import catalog, zoo
from omlzoo.atomic import new_file, new_folder
from omlzoo.embeddings import ERROR, Embeddings, Record, load_embeddings
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.extraction import embed
from omlzoo.extractor import Extractor
from omlzoo.nearest import Similarity
from omlzoo.pages.render import Card, Row, gallery_page, thumbnail
from omlzoo.table import Table

__all__ = ["Hits", "Index", "build_index", "open_index"]

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


@dataclass(frozen=True)
class Hits:
    """What a search found.

    Attributes:
        ids: (Q, k) rows of the index's table, the nearest first; -1 where there are fewer.
        scores: (Q, k) float32, higher is nearer: the cosine of normalised vectors, else minus the Euclidean distance;
            -inf where there is no hit or the query could not be read.
        queries: A row per query: path, label, ... and error.
        index: Where they were found.
        root: Where the queries' relative paths start.
        pictures: The queries that were PIL images, by their number.
    """

    ids: np.ndarray
    scores: np.ndarray
    queries: pd.DataFrame
    index: "Index"
    root: Path = Path()
    pictures: Mapping[int, Image.Image] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """A row per hit: query (its number), rank (from 1), score, id, and the columns of the found row."""
        query, rank = np.nonzero(self.ids >= 0)
        ids = self.ids[query, rank]
        found = self.index.embeddings.table.iloc[ids].drop(columns=ERROR).reset_index(drop=True)
        head = pd.DataFrame({"query": query, "rank": rank + 1, "score": self.scores[query, rank], "id": ids})
        return pd.concat([head, found], axis=1)

    def html(self, path: str | Path) -> None:
        """Write one page with the pictures: each query, its hits, scores, and right or wrong where labels are known."""
        gallery = self.index.table()
        boxes, files = gallery.boxes(), gallery.files()
        own = Table(self.queries, self.root, "queries")
        rows = []
        for number, (file, box) in enumerate(zip(own.files(), own.boxes(), strict=True)):
            label = self.queries["label"].iloc[number] if "label" in self.queries else None
            error = self.queries[ERROR].iloc[number]
            cards = []
            for place, score in zip(self.ids[number], self.scores[number], strict=True):
                if place < 0:
                    continue
                found = gallery.frame["label"].iloc[place] if "label" in gallery.frame else None
                right = None if label is None or found is None else str(label) == str(found)
                title = str(files[place].name) if found is None else str(found)
                cards.append(Card(thumbnail(files[place], boxes[place]), title, f"{score:.3f}", right))
            name = file.name if label is None else str(label)
            picture = thumbnail(self.pictures.get(number, file), box)
            rows.append(Row(Card(picture, f"query: {name}", error), cards))
        record = self.index.embeddings.record
        facts = [
            f"{len(rows)} queries among {self.index.size:,} pictures, model {record.model}",
            _explain(self.index.similarity),
        ]
        with new_file(path) as temporary:
            temporary.write_text(gallery_page("Search results", facts, rows), encoding="utf-8")


class Index:
    """Embeddings and a backend that searches them.

    Attributes:
        embeddings: All rows; those without a vector are never found.
        backend: A name of omlzoo.index.
        similarity: "cosine" where the model normalises, else "euclidean".
    """

    def __init__(self, embeddings: Embeddings, backend: str = "exact") -> None:
        self.embeddings = embeddings
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

    def search(self, queries: Queries, k: int = 10, *, exclude_self: bool = False) -> Hits:
        """The k nearest rows of each query.

        Args:
            queries: Paths, PIL images, a table, Embeddings, or vectors (Q, dim). Pictures go through the index's model.
            k: Hits for each query; no more than there are rows.
            exclude_self: Leave out the row with the query's own path. Otherwise a picture that is in the index is
                found first, with the score of equality.

        Raises:
            BadInput: The queries are of another model, preprocessing or normalisation.
        """
        if k < 1:
            raise BadInput(f"k is {k}; it must be at least 1")
        found = self._embedded(queries)
        good = found.good
        width = min(k, self.size)
        ids = np.full((len(found), width), -1, dtype=np.int64)
        scores = np.full((len(found), width), -np.inf, dtype=np.float32)
        if good.any():
            own = self._own(found)[good] if exclude_self else None
            best, places = self._search.search(found.vectors[good], width, own)
            scores[good] = best
            ids[good] = np.where(places < 0, -1, self._rows[places])
        return Hits(ids, scores, found.table, self, Path(found.record.root), _images(queries))

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


def build_index(embeddings: Embeddings, *, backend: str = "exact") -> Index:
    """An index over embeddings.

    Args:
        embeddings: Of ``omlzoo.embed`` or ``omlzoo.load_embeddings``.
        backend: A name of omlzoo.index: "exact" looks at every vector.

    Raises:
        UnknownName: There is no such backend.
        BadInput: No row has a vector.
    """
    return Index(embeddings, backend)


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
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{facts}: damaged ({error}); build the index again") from error
    if record != embeddings.record:
        raise BadInput(f"{folder}: {FACTS} and {VECTORS} are of different runs; build the index again")
    return Index(embeddings, backend)


def _keys(table: Table) -> list[tuple[str, Any]]:
    return [(str(file.resolve()), box) for file, box in zip(table.files(), table.boxes(), strict=True)]


def _images(queries: Queries) -> dict[int, Image.Image]:
    given = [queries] if isinstance(queries, Image.Image) else queries if isinstance(queries, Sequence) else []
    return {number: item for number, item in enumerate(given) if isinstance(item, Image.Image)}


def _explain(similarity: Similarity) -> str:
    meaning = {"cosine": "the cosine similarity", "euclidean": "minus the Euclidean distance"}
    return f"The score is {meaning[similarity]}: higher is nearer."
