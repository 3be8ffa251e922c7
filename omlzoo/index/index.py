"""The index: embeddings that answer pictures, paths and vectors with their nearest rows."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.filters import Where
from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput, notice
from omlzoo.files import check_free, writing
from omlzoo.index.backends._ranges import check_whole
from omlzoo.index.classifying import label_chances
from omlzoo.index.combining import Combination
from omlzoo.index.hits import Hits
from omlzoo.index.queries import Queries, QueryEncoder
from omlzoo.index.rows import Rows
from omlzoo.index.searcher import made_searcher
from omlzoo.index.searching import Search, found
from omlzoo.index.storage import OWNED, Recall, check_replaceable, generation_of, write_index
from omlzoo.ops.similarity import Similarity

__all__ = ["Index"]


class Index:
    """Embeddings and a backend that searches them.

    Attributes:
        rows: The rows and the backend that searches them; another value after each addition and removal.
        backend: A name of omlzoo.index.
        options: Options of the backend.
        similarity: "cosine" where the model normalises, else "euclidean".
        calibration: The calibration of the distances; None where the index has none.
        recall: The recall of an approximate backend, measured when the index was built; None of an exact one.

    Threads may search while one adds or removes: a search answers with the rows that were there when it began.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        backend: str = "exact",
        calibration: Calibration | None = None,
        options: Mapping[str, Any] | None = None,
        kept: Path | None = None,
    ) -> None:
        self.calibration = calibration
        if calibration is not None:
            calibration.check(embeddings.record.sha256, embeddings.record.preprocess_hash, embeddings.record.normalized)
        self.backend, self.options = backend, dict(options or {})
        self.similarity: Similarity = "cosine" if embeddings.record.normalized else "euclidean"
        self.recall: Recall | None = None
        self.saved: tuple[Path, str | None] | None = None  # the folder that holds it, and which saving of it
        if not embeddings.good.any():
            raise BadInput(f"none of the {len(embeddings)} rows has a vector; there is nothing to search")
        searcher = made_searcher(backend, self.similarity, embeddings.record.dim, self.options)
        self.rows = Rows.of(embeddings, searcher, self.similarity, kept)
        self.encoder = QueryEncoder(embeddings.record, embeddings.model)
        self._changing = threading.Lock()

    def __repr__(self) -> str:
        return f"Index({self.size} rows, {self.backend}, {self.similarity}, model {self.embeddings.record.model})"

    def __len__(self) -> int:
        return self.size

    @property
    def embeddings(self) -> Embeddings:
        """All rows; those without a vector are never found."""
        return self.rows.embeddings

    @property
    def size(self) -> int:
        """Number of rows that can be found."""
        return len(self.rows.numbers)

    def table(self) -> Table:
        """The rows as a table with their pictures."""
        return self.rows.table()

    def search(
        self,
        queries: Queries,
        k: int = 10,
        *,
        where: Where | None = None,
        exclude_self: bool = False,
        threshold: float | str | None = None,
        text: bool | None = None,
        rerank: str | None = None,
        candidates: int = 100,
        combine: Combination | None = None,
        negatives: "Queries | None" = None,
        distinct: str | None = None,
    ) -> Hits:
        """The k nearest rows of each query.

        Args:
            queries: Paths, PIL images, a table, Embeddings, vectors (Q, dim), or texts such as "red trainers with white
                sole". Pictures go through the index's model, texts through the text tower that was trained with it;
                texts are compared by cosine, whatever pictures are compared by.
            k: Hits for each query; no more than there are rows.
            where: Which rows may be found: columns and the value or values they must have ({"category": "boot"}), a
                mask of rows (N,), or their numbers. Numbers, truth values and dates are compared as such, whatever
                their spelling; a value that no row has is said, with the nearest that there are.
            exclude_self: Leave out the row with the query's own path. Otherwise a picture that is in the index is
                found first, with the score of equality.
            threshold: The least score of a hit that is accepted, or the name of a cut-point of the calibration, such as
                "far=1e-3". Hits below it are returned too, marked; ``hits.is_known`` says which queries have one above.
                A calibration is measured between pictures, so texts have scores only.
            text: Whether strings are texts; by default they are where none of them names a file or folder, ends like a
                picture's name, or has a slash.
            rerank: Put the first hits in the order of another method: "reciprocal" (neighbours that have each other),
                "expansion" (the query moved towards its first hits) or "average_expansion". Scores are then the
                method's, for which no calibration holds.
            candidates: First hits that are compared with each other for ``rerank``, at most 1,000; at least k are.
            combine: Take all queries as examples of one thing: "average" asks for the mean of their vectors, "any"
                gives a row the best of its scores for each, "all" the least. Pictures, vectors and texts may then stand
                in one list. No calibration holds for these scores. None asks for each query by itself.
            negatives: What the hits of that one shall be unlike, of the same kinds: each example is moved away from
                their mean by a quarter of its distance (Rocchio). They combine by "average" where nothing is said.
            distinct: A column of which each value is found once, by its best row: "path" where pictures have several
                rows, as with ``omlzoo.embed(..., grid=3)``. With ``exclude_self`` the query's own value is left out.

        Raises:
            UnknownName: The calibration has no such cut-point, the table no such column, or there is no such method.
            BadInput: The queries are of another model, preprocessing or normalisation, or texts for a model without a
                text tower.
        """
        hits = self.find(queries, k, where=where, exclude_self=exclude_self, threshold=threshold, text=text,
                         rerank=rerank, candidates=candidates, combine=combine, negatives=negatives,
                         distinct=distinct)  # fmt: skip
        for said in hits.notices:
            notice(said)
        return hits

    def find(
        self,
        queries: Queries,
        k: int = 10,
        *,
        where: Where | None = None,
        exclude_self: bool = False,
        threshold: float | str | None = None,
        text: bool | None = None,
        rerank: str | None = None,
        candidates: int = 100,
        combine: Combination | None = None,
        negatives: "Queries | None" = None,
        distinct: str | None = None,
    ) -> Hits:
        """As :meth:`search`, in silence: what that says of the filter stands in ``hits.notices``.

        Args:
            queries: As there.
            k: Hits for each query.
            where: Which rows may be found.
            exclude_self: Leave out the row with the query's own path.
            threshold: The least score of a hit that is accepted, or the name of a cut-point.
            text: Whether strings are texts.
            rerank: A method of re-ranking.
            candidates: First hits that are compared with each other.
            combine: How all queries are one.
            negatives: What its hits shall be unlike.
            distinct: A column of which each value is found once.

        Raises:
            UnknownName: As there.
            BadInput: As there.
        """
        asked = Search(k, where, exclude_self, threshold, text, rerank, candidates, combine, negatives, distinct)
        return found(self.rows, self.encoder, self.calibration, queries, asked)

    def classify(
        self, queries: Queries, k: int = 20, temperature: float = 0.07, *, exclude_self: bool = False
    ) -> pd.DataFrame:
        """Chances of labels by weighted k-NN: a row per query, a column per label among the hits; rows sum to 1.

        Args:
            queries: As in :meth:`search`, with its ``exclude_self``.
            k: How many rows vote, the nearest by cosine; those without a label do not.
            temperature: A row at cosine s votes for its label with exp(s / temperature).
            exclude_self: Whether the row with the query's own path does not vote.

        Raises:
            BadInput: No row has a label, k or the temperature is out of its range.
        """
        return label_chances(self.rows, self.encoder, queries, k, temperature, exclude_self)

    def add(self, embeddings: Embeddings) -> np.ndarray:
        """Add rows; their numbers (M,) follow the last one. Images that are in the index are left out, with a notice.

        Raises:
            BadInput: They are of another model, preprocessing or normalisation, or are not finite; the index is as it
                was before.
        """
        with self._changing:
            before, self.rows = len(self.embeddings), self.rows.added(embeddings)
            return np.arange(before, len(self.embeddings))

    def remove(self, where: Where) -> int:
        """Remove the rows that ``where`` selects, as in :meth:`search`; returns how many. Others keep their numbers.

        Raises:
            BadInput: No row would be left; the index is as it was before.
        """
        with self._changing:
            gone = self.rows.matching(where)
            if gone.sum() == self.size:
                raise BadInput(f"all {self.size} rows would be removed; an index has at least one")
            self.rows = self.rows.without(gone)
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
        check_whole(most=sys.maxsize, k=k, queries=queries)
        rows = self.rows
        drawn = np.random.default_rng(seed).choice(rows.numbers, min(queries, len(rows.numbers)), replace=False)
        drawn.sort()
        k = min(k, len(rows.numbers) - 1)
        if k < 1:
            raise BadInput("the index has one row; recall needs two")
        vectors = rows.embeddings.vectors[drawn]
        exact_scores, _ = rows.whole.search(vectors, k, drawn)
        scores, _ = rows.searcher.search(vectors, k, drawn)
        self.recall = Recall(k, len(drawn), float((scores >= exact_scores[:, -1:]).mean()))
        return self.recall

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write a folder that :func:`open_index` opens. A process that is killed leaves the old index or the new one.

        An index that is there is replaced, and that is said, where it is of the same model and this one has all of its
        pictures. Saving again what was opened or saved there is silent.

        Args:
            folder: The folder.
            overwrite: Whether an index of another model or of other pictures is replaced too.

        Raises:
            BadInput: It holds an index of another model or of other pictures and ``overwrite`` is False, or something
                else, another process writes it, or it was saved anew since this index was opened from it.
        """
        path = Path(folder).resolve()
        check_free(path, OWNED)
        with self._changing, writing(path):
            if self.saved is not None and self.saved[0] == path and self.saved[1] != generation_of(path):
                raise BadInput(f"{folder} was changed since this index was opened; open it again and repeat the "
                               "change, or save under another name")  # fmt: skip
            if self.saved is None or self.saved[0] != path:
                check_replaceable(path, self.embeddings, overwrite)
                if self.saved is not None and hasattr(self.rows.searcher, "store"):
                    notice(f"{folder} and {self.saved[0]} answer from the same rows of a store, where a change of one "
                           "is none of the other: build an index of its own under another collection=")  # fmt: skip
            self.saved = path, write_index(path, self.rows, self.backend, self.options, self.recall, self.calibration)
