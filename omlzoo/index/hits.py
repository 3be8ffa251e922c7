"""The results of a search: rows, scores, distances, probabilities, and whether a query is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.late_picture import Picture
from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.files import new_file
from omlzoo.ops.similarity import Similarity

if TYPE_CHECKING:
    from omlzoo.pages.album import Album
    from omlzoo.pages.parts import Card

__all__ = ["Hits"]


@dataclass(frozen=True)
class Hits:
    """The results of a search.

    Attributes:
        ids: (Q, k) rows of the index's table, the nearest first; -1 where there are fewer.
        scores: (Q, k) float32, higher is nearer: the cosine of normalised vectors, else minus the Euclidean distance;
            -inf where there is no hit or the query could not be read.
        queries: A row per query, with columns such as path and label, and error.
        embeddings: All rows of the index.
        similarity: The kind of the scores: "cosine" or "euclidean".
        calibration: The calibration of the distances. None where the index has none, or the queries are texts.
        root: Where the queries' relative paths start.
        pictures: The queries that were PIL images, by their number.
        accepted: (Q, k) bool, whether a hit passes the threshold of the search; None where it had none.
        texts: Whether the queries are texts.
        notices: What was said of the filter: values that no row has, with the nearest that there are.
    """

    ids: np.ndarray
    scores: np.ndarray
    queries: pd.DataFrame
    embeddings: Embeddings
    similarity: Similarity
    calibration: Calibration | None = None
    root: Path = Path()
    pictures: Mapping[int, Picture] = field(default_factory=dict)
    accepted: np.ndarray | None = None
    texts: bool = False
    notices: tuple[str, ...] = ()

    @property
    def is_known(self) -> np.ndarray | None:
        """(Q,) bool, whether any hit passes the threshold of the search; None where there was none."""
        return None if self.accepted is None else np.asarray(self.accepted.any(axis=1))

    @property
    def distances(self) -> np.ndarray:
        """(Q, k) Euclidean distances of the hits, of unit vectors sqrt(2 - 2 cosine); infinite where there is none."""
        if self.similarity == "euclidean":
            return -self.scores
        return np.where(self.ids < 0, np.inf, np.sqrt(np.maximum(0, 2 - 2 * np.maximum(self.scores, -1))))

    @property
    def probabilities(self) -> np.ndarray | None:
        """(Q, k) chances that a hit is right, in a gallery like that of the calibration; None without one."""
        return None if self.calibration is None else self.calibration.probability.of(self.distances)

    def table(self) -> pd.DataFrame:
        """A row per hit: query (its number), rank (from 1), score, id, and the columns of the found row.

        Also "accepted" where the search had a threshold, and "probability" where the index is calibrated.
        """
        query, rank = np.nonzero(self.ids >= 0)
        ids = self.ids[query, rank]
        columns = self.embeddings.table.iloc[ids].drop(columns=ERROR).reset_index(drop=True)
        head = pd.DataFrame({"query": query, "rank": rank + 1, "score": self.scores[query, rank], "id": ids})
        for name, values in (("accepted", self.accepted), ("probability", self.probabilities)):
            if values is not None:
                head[name] = values[query, rank]
        return pd.concat([head, columns], axis=1)

    def html(self, path: str | Path) -> None:
        """Write one page with the pictures: each query, its hits, scores, and right or wrong where labels are known."""
        from omlzoo.pages.album import Album
        from omlzoo.pages.parts import Card, Heading, Row
        from omlzoo.pages.render import gallery_page

        album, chances = Album(path), self.probabilities
        own = Table(self.queries, self.root, "queries")
        rows = []
        for number, (file, box) in enumerate(zip(own.files(), own.boxes(), strict=True)):
            label = self.queries["label"].iloc[number] if "label" in self.queries else None
            error = str(self.queries[ERROR].iloc[number])
            name = self.queries["path"].iloc[number] if self.texts else file.name if label is None else str(label)
            unknown = self.is_known is not None and not error and not self.is_known[number]
            said = "unknown" if unknown else error
            if self.texts:
                query = Card(None, f"query: {name}", said)
            else:
                path_of = str(self.queries["path"].iloc[number])
                query = album.card(self.pictures.get(number, file), box, f"query: {name}", said, name=path_of)
            rows.append(Row(query, self._cards(number, label, album, chances)))
        queries = f"{len(rows):,} {'query' if len(rows) == 1 else 'queries'}"
        facts = [
            f"{queries} among {self.embeddings.good.sum():,} pictures, model {self.embeddings.record.model}",
            _explain(self.similarity), *album.notes(),
        ]  # fmt: skip
        with new_file(path) as temporary:
            page = gallery_page(Heading("Search results", self.embeddings.record.model), facts, rows)
            temporary.write_text(page, encoding="utf-8")

    def _cards(self, number: int, label: object, album: "Album", chances: np.ndarray | None) -> "list[Card]":
        """The hits of a query, the label of which is None where it is not known."""
        gallery = self.embeddings.pictures("the index").part(np.maximum(self.ids[number], 0))
        cards: list[Card] = []
        paths = [str(path) for path in gallery.frame["path"]]
        files = zip(gallery.files(), gallery.boxes(), strict=True)
        for place, (file, box) in enumerate(files):
            if self.ids[number, place] < 0:
                continue
            hit_label = gallery.frame["label"].iloc[place] if "label" in gallery.frame else None
            right = None if label is None or hit_label is None else str(label) == str(hit_label)
            score = self.scores[number, place]
            text = f"{score:.3f}"
            if self.accepted is not None and not self.accepted[number, place]:
                text += ", below the threshold"
            why = f"hit {place + 1} of this query, score {score:.4f}"
            if chances is not None:
                why += f", right with a chance of {chances[number, place]:.0%}"
            title = str(file.name) if hit_label is None else str(hit_label)
            cards.append(album.card(file, box, title, text, right, name=paths[place], why=why))
        return cards


def _explain(similarity: Similarity) -> str:
    meaning = {"cosine": "the cosine similarity", "euclidean": "minus the Euclidean distance"}
    return f"The score is {meaning[similarity]}: higher is nearer."
