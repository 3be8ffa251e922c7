"""The page of a collection: what matters first, with pictures to keep, drop or give another label."""

import base64
import csv
import gzip
import io
import json
import shlex
from collections.abc import Iterable
from pathlib import Path, PurePath

import numpy as np

from omlzoo.data.written_text import is_writable
from omlzoo.embedding.embeddings import ERROR
from omlzoo.evaluation import plots
from omlzoo.evaluation.collection import Collection
from omlzoo.evaluation.embedding_map import map_of_rows, rows_on_map
from omlzoo.files import new_file
from omlzoo.pages.album import Album
from omlzoo.pages.charts import Colouring, Map
from omlzoo.pages.parts import Card, Heading, Row, Section
from omlzoo.pages.render import tidy_page

__all__ = ["map_of_kinds", "write_page"]

GROUPS = 24  # of a section
PICTURES = 9  # of a group
LABELS = 1_000  # to choose from
WORDS = {
    "labels": (
        "Near-duplicates with different labels",
        "Almost the same picture, and two labels: one is wrong, or each shows both. The nearest pair comes first.",
    ),
    "splits": (
        "Near-duplicates across splits",
        "What is trained on is measured on too, so numbers are better than the model. The nearest pair comes first.",
    ),
    "rest": ("Other near-duplicates", "Almost the same picture with one label; the largest group comes first."),
}


def write_page(collection: Collection, path: str | Path) -> None:
    """Write one page with the pictures of each group, a map of the kinds, and buttons that write decisions to a csv.

    Args:
        collection: The collection to show.
        path: The file to write.
    """
    good = collection.embeddings
    cards = _Cards(collection, Album(path))
    sections = []
    for kind, groups in collection.by_importance().items():
        title, text = WORDS[kind]
        more = f" The first {GROUPS} of {len(groups):,} groups." if len(groups) > GROUPS else ""
        sections.append(Section(title, [cards.group(rows) for rows in groups[:GROUPS]], text + more, kind))
    strange = [cards.card(int(row), f"{collection.strangeness[row]:.1f} x") for row in collection.strangest]
    text = "How far the fifth nearest picture is, as a multiple of what is usual; from 2 or 3 on they are worth a look."
    sections.append(Section("Unlike all others", [Row(strange[0], strange[1:])], text, "strange"))
    kinds = [cards.group(rows, f"kind {number}") for number, rows in enumerate(collection.kinds, 1)]
    sections.append(Section("Kinds of pictures", kinds, "Clusters; the most central picture comes first.", "kinds"))
    left_out = f"; {collection.failed:,} without a vector are left out" if collection.failed else ""
    facts = [
        f"{len(good):,} pictures{left_out}",
        f"Near-duplicates are connected by pairs that are at most {collection.distance:g} apart (Euclidean distance).",
        f"Near-duplicates and outliers: {collection.how}.", *cards.album.notes(),
    ]  # fmt: skip
    table, how = _packed(collection)
    labels = sorted({str(label) for label in good.table["label"].dropna()})[:LABELS] if "label" in good.table else []
    charts = plots.drawn(map_of_kinds, collection)
    page = tidy_page(
        Heading("What is there", good.record.model), facts if table else [*facts, how], sections, charts, table=table,
        labels=labels, how=how,
    )  # fmt: skip
    with new_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def map_of_kinds(collection: Collection) -> Map:
    """The rows on the two directions in which the centres of the kinds differ most."""
    good, centres = collection.embeddings, collection.centres
    sizes = np.array([len(rows) for rows in collection.kinds])
    origin = np.average(centres, axis=0, weights=sizes)
    directions = np.linalg.svd((centres - origin) * np.sqrt(sizes)[:, None], full_matrices=False)[2][:2]
    directions = np.pad(directions, ((0, 2 - len(directions)), (0, 0)))
    kind = np.zeros(len(good), dtype=object)
    for number, members in enumerate(collection.kinds, 1):
        kind[members] = f"kind {number}"
    rows = rows_on_map(len(good))
    text = (
        f"{len(rows):,} of {len(good):,} pictures, where the kinds differ most. A lasso around points saves their rows."
    )
    flat = (good.vectors[rows] - origin) @ directions.T
    return map_of_rows("Kinds of pictures", text, flat, rows, good.pictures(), [Colouring("kind", kind.tolist())])


class _Cards:
    """Cards of rows, with folders, labels, splits and distances."""

    def __init__(self, collection: Collection, album: Album) -> None:
        table = collection.embeddings.pictures()
        self.files, self.boxes, self.frame, self.album = table.files(), table.boxes(), table.frame, album
        self.paths, self.vectors = [str(path) for path in table.frame["path"]], collection.embeddings.vectors

    def group(self, rows: np.ndarray, title: str = "") -> Row:
        """A group beside its first picture, with the distances to it."""
        first, *others = rows[:PICTURES].tolist()
        apart = np.linalg.norm(self.vectors[others] - self.vectors[first], axis=1) if others else []
        text = f"{title}, {len(rows):,} pictures" if title else f"{len(rows):,} pictures"
        cards = [self.card(row, f"{distance:.3f} away") for row, distance in zip(others, apart, strict=True)]
        return Row(self.card(first, text), cards)

    def card(self, row: int, text: str) -> Card:
        """A picture with its label, or its folder and name where it has none."""
        path = PurePath(self.paths[row])
        known = [str(self.frame[name].iloc[row]) for name in ("label", "split") if name in self.frame]
        place = "/".join(path.parts[-2:])
        title, *more = [*known, place] if known else [place]
        why = "; ".join([text, *(f"{name} {value}" for name, value in zip(("label", "split"), known, strict=False))])
        return self.album.card(
            self.files[row], self.boxes[row], title, ", ".join([*more, text]), name=str(path), why=why, row=row
        )


def _packed(collection: Collection) -> tuple[str, str]:
    """The table as gzip of JSON in base64, and what becomes of decisions; no table where no csv could hold it."""
    text = collection.embeddings.table.drop(columns=ERROR).to_csv(index=False)
    if not is_writable(text):
        return "", "Decisions cannot be written here: a path or a label of the table is not UTF-8."
    columns, *rows = _lines(text)
    content = json.dumps({"columns": columns, "rows": rows}, ensure_ascii=False, separators=(",", ":")).encode()
    root = shlex.join(["--root", collection.embeddings.record.root])
    how = (
        "The csv has every row that was not dropped, with the labels that you gave: omlzoo check decided.csv "
        f"{root}, then omlzoo finetune decided.csv {root}."
    )
    return base64.b64encode(gzip.compress(content, mtime=0)).decode(), how


def _lines(text: str) -> Iterable[list[str]]:
    return csv.reader(io.StringIO(text, newline=""))
