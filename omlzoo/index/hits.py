"""The results of a search: rows, scores, distances, probabilities, and whether a query is known."""

import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.late_picture import Picture
from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.errors import counted, notice
from omlzoo.files import new_file
from omlzoo.ops.similarity import Similarity

if TYPE_CHECKING:
    from omlzoo.pages.album import Album
    from omlzoo.pages.parts import Card

__all__ = ["Hits"]

QUERIES, HITS = 5, 8  # of which a notebook shows pictures
LINES = 20  # hits that are printed


@dataclass(frozen=True)
class Hits:
    """The results of a search.

    Attributes:
        ids: (Q, k) rows of the index's table, the nearest first; -1 where there are fewer.
        scores: (Q, k) float32, higher is nearer: the cosine of normalised vectors, else minus the Euclidean distance,
            or what ``how`` says; -inf where there is no hit or the query could not be read.
        queries: A row per query, with columns such as path and label, and error.
        embeddings: All rows of the index.
        similarity: The kind of the scores: "cosine" or "euclidean".
        calibration: The calibration of the distances. None where the index has none, the queries are texts, or the
            scores are others than those of a query and a row.
        root: Where the queries' relative paths start.
        pictures: The queries that were PIL images, by their number.
        accepted: (Q, k) bool, whether a hit passes the threshold of the search; None where it had none.
        texts: Whether the queries are texts, or several examples as one, and have no picture of their own.
        notices: What was said: values of the filter that no row has, with the nearest that there are, and that there
            are no probabilities where an index that is calibrated was searched by other scores.
        how: What the scores are of, where they are not those of a query and a row: a sentence.
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
    how: str = ""

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

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.ids)

    def __getitem__(self, query: int) -> pd.DataFrame:
        """The hits of one query: rank, score, id, and the columns of the found rows."""
        number = range(len(self))[query]
        one = slice(number, number + 1)
        accepted = None if self.accepted is None else self.accepted[one]
        return (
            replace(self, ids=self.ids[one], scores=self.scores[one], accepted=accepted).table().drop(columns="query")
        )

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """The hits of each query."""
        return (self[number] for number in range(len(self)))

    def __str__(self) -> str:
        """What ``omlzoo search`` prints, of the first queries."""
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        return f"Hits({len(self)} queries, k = {self.ids.shape[1]}, {self.similarity}, {self.embeddings!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the pictures of the first queries with their first hits."""
        return _pictures(self)

    def show(self) -> Path | None:
        """Show the pictures: in a notebook at once, else as a page in the browser, whose path is returned."""
        return _show(self)

    def pandas(self) -> pd.DataFrame:
        """As :meth:`table`."""
        return self.table()

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
        absent = sum(card.picture is None for row in rows for card in row.hits)
        if absent:
            shown, are = sum(len(row.hits) for row in rows), "is" if absent == 1 else "are"
            notice(f"{absent} of {counted(shown, 'hit')} {are} not to be found below {self.embeddings.record.root}; "
                   "where the pictures were moved, open_index(..., root=FOLDER), --root FOLDER")  # fmt: skip
        facts = [
            f"{counted(len(rows), 'query', 'queries')} among {counted(int(self.embeddings.good.sum()), 'picture')}, "
            f"model {self.embeddings.record.model}",
            f"Hits are {self.how}: higher scores are better." if self.how else _explain(self.similarity),
            *album.notes(),
        ]
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


def _lines(hits: Hits) -> list[str]:
    """The table that ``omlzoo search`` prints, its first 20 hits."""
    from omlzoo.pages.columns import columns

    table, paths = hits.table(), hits.queries["path"].astype(str).tolist()
    rows = [
        [paths[hit["query"]], str(hit["rank"]), f"{hit['score']:.4f}" + " rejected" * (hit.get("accepted") is False),
         str(hit.get("label", "")), str(hit["path"])]
        for hit in table.head(LINES).to_dict("records")
    ]  # fmt: skip
    lines = columns(["query", "rank", "score", "label", "path"], rows)
    return lines + [f"and {len(table) - LINES:,} more hits"] * (len(table) > LINES)


def _pictures(hits: Hits) -> str:
    """The HTML of the first five queries with their first eight hits."""
    from omlzoo.pages.notebook import Tile, tiles_html

    asked = Table(hits.queries.head(QUERIES), hits.root, "queries")
    lines = []
    for number, (file, box) in enumerate(zip(asked.files(), asked.boxes(), strict=True)):
        own = hits.queries["label"].iloc[number] if "label" in hits.queries else None
        name = str(hits.queries["path"].iloc[number])
        picture: Any = None if hits.texts else hits.pictures.get(number, file)
        tiles = [Tile(picture, name if own is None else str(own), hits.queries[ERROR].iloc[number] or "query", box)]
        ids = hits.ids[number][:HITS]
        found = hits.embeddings.pictures("the index").part(ids[ids >= 0])
        labels = found.frame["label"].tolist() if "label" in found.frame else [None] * len(found)
        for file, part, label, score in zip(found.files(), found.boxes(), labels, hits.scores[number], strict=False):
            right = None if own is None or label is None else str(own) == str(label)
            tiles.append(Tile(file, file.name if label is None else str(label), f"{score:.3f}", part, right))
        lines.append(f"<div>{tiles_html(tiles)}</div>")
    left = len(hits.ids) - len(lines)
    return "".join(lines) + (f"<div>and {left:,} more queries; hits.html(path) has all</div>" if left else "")


def _show(hits: Hits) -> Path | None:
    """Show hits in the notebook that runs, else by a page in a new folder, whose path is returned."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and shell.has_trait("kernel"):
        sys.modules["IPython"].display.display(hits)
        return None
    page = Path(tempfile.mkdtemp(prefix="omlzoo-")) / "hits.html"
    hits.html(page)
    webbrowser.open(page.as_uri())
    return page
