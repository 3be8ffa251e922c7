"""What is right where a picture has several labels, and how near a hit is where labels have names above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from omlzoo.data.table_source import read_file
from omlzoo.errors import BadInput, UnknownName, notice
from omlzoo.metrics._judged_ranks import Judgements, Protocol
from omlzoo.metrics._levels import heights_of, level_codes
from omlzoo.metrics._selection import Selection
from omlzoo.ops.codes import label_texts

__all__ = ["Hierarchy", "LabelTree", "SharedLabels", "open_tree"]

Hierarchy: TypeAlias = str | Path | Sequence[str] | pd.DataFrame | Mapping[Any, Any]
FILES = (".csv", ".parquet")


@dataclass(frozen=True)
class SharedLabels:
    """Several labels in a cell: rows that share one with the query are right, the more they share the better.

    Attributes:
        separator: What stands between the labels of a cell.
    """

    separator: str
    by_label = False

    @property
    def protocols(self) -> dict[str, Protocol]:
        """What counts as right."""
        return {"one label shared": Protocol(1.0, graded=True)}

    @property
    def defined(self) -> dict[str, str]:
        """Definitions for the report."""
        share = "Number of labels that each right row among the first k shares with the query, by 1 / log2(1 + rank)"
        return {
            "relevance": "A picture has several labels; right is what shares one with the query.",
            "ndcg@k": f"{share}, as a share of the best order's.",
            "ap_trapezoid": "Area under precision over recall by the trapezoidal rule.",
        }

    def check(self, frame: pd.DataFrame) -> None:
        """Refuse labels that are empty between separators; says where no cell has one.

        Args:
            frame: The rows to be measured, with "label".

        Raises:
            BadInput: The separator is empty, or a cell has an empty label.
        """
        if not self.separator.strip():
            raise BadInput(f"separator is {self.separator!r}; it is what stands between labels, such as '|'")
        texts = label_texts(frame["label"], "labels")
        if not any(self.separator in text for text in texts):
            notice(f"no label has the separator {self.separator!r}; each picture has one label")
        for row, text in enumerate(texts):
            if text and not all(part.strip() for part in text.split(self.separator)):
                raise BadInput(f"the label {text!r} of {frame['path'].iloc[row]!s} has an empty one among those that "
                               f"{self.separator!r} parts; remove the separator that is too many")  # fmt: skip

    def said(self) -> str:
        """What is right, in one line."""
        return f"one of the labels that {self.separator!r} parts is shared"

    def judgements(self, frame: pd.DataFrame, selection: Selection) -> Judgements:
        """The gallery rows that share labels with queries, each with how many.

        Args:
            frame: The rows.
            selection: Their queries and gallery.
        """
        texts = label_texts(frame["label"], "labels")
        sets = [list(dict.fromkeys(part.strip() for part in text.split(self.separator))) for text in texts]
        listed: dict[str, list[int]] = {}
        for row in selection.gallery.tolist():
            for label in sets[row]:
                listed.setdefault(label, []).append(row)
        members = {label: np.array(each) for label, each in listed.items()}

        def of(start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            none = np.empty(0, np.int64)
            whose, named, counts = [none], [none], [none]
            for number, query in enumerate(selection.queries[start:stop].tolist()):
                shared = [members[label] for label in sets[query] if label in members]
                rows, times = np.unique(np.concatenate([none, *shared]), return_counts=True)
                whose.append(np.full(len(rows), number))
                named.append(rows)
                counts.append(times)
            return np.concatenate(whose), np.concatenate(named), np.concatenate(counts).astype(np.float64)

        return of


@dataclass(frozen=True)
class LabelTree:
    """Names above labels: a hit of a label near by counts in part.

    Attributes:
        columns: Columns of the table, from the one above the label upwards; none where there are parents.
        parents: The name above each.
        name: What to call it in messages.
    """

    columns: tuple[str, ...]
    parents: Mapping[str, str]
    name: str
    by_label = True

    @property
    def defined(self) -> dict[str, str]:
        """Definitions for the report."""
        how = "1 - h / H, h being the height of the lowest name above both labels and H that of the root"
        return {"hp@k": f"Hierarchical precision: each of the first k counts {how}, as a share of the best order's "
                "(arXiv 1809.09852)."}  # fmt: skip

    def check(self, frame: pd.DataFrame) -> None:
        """Refuse labels for which there is no one name above.

        Args:
            frame: The rows to be measured.

        Raises:
            UnknownName: The table has no such column.
            BadInput: A label is not in the hierarchy, or has two names above it.
        """
        self.codes(frame)

    def said(self) -> str:
        """The hierarchy in one line."""
        return self.name

    def codes(self, frame: pd.DataFrame) -> np.ndarray:
        """Codes (H, N) of the rows by height, from that of the labels.

        Args:
            frame: N rows.

        Raises:
            UnknownName: As in :meth:`check`.
            BadInput: As there.
        """
        labels = label_texts(frame["label"], "labels")
        if self.columns:
            return level_codes([(0, label) for label in labels], self._of_columns(frame, labels))
        unknown = sorted({label for label in labels if label not in self.parents})
        if unknown:
            raise BadInput(f"{self.name}: {len(unknown)} labels have no name above them, the first {unknown[0]!r}; "
                           "add them as child")  # fmt: skip
        return level_codes(labels.tolist(), self.parents)

    def _of_columns(self, frame: pd.DataFrame, labels: np.ndarray) -> dict[Any, Any]:
        parents: dict[Any, Any] = {}
        below, names = labels, ["label", *self.columns]
        for level, column in enumerate(self.columns):
            if column not in frame:
                raise UnknownName("the table", column, [str(each) for each in frame.columns])
            above = label_texts(frame[column], column)
            for row, (child, parent) in enumerate(zip(below, above, strict=True)):
                if not parent:
                    raise BadInput(
                        f"{column} is empty for {frame['path'].iloc[row]!s}; a hierarchy needs it in each row"
                    )
                if parents.setdefault((level, child), (level + 1, parent)) != (level + 1, parent):
                    other = parents[level, child][1]
                    raise BadInput(f"{names[level]} {child!r} has two values of {column}, {other!r} and {parent!r}; "
                                   "one name stands above another")  # fmt: skip
            below = above
        return parents


def open_tree(source: Hierarchy) -> LabelTree:
    """The names above labels.

    Args:
        source: A column of the table, or several from the one above the label upwards; or a csv or Parquet file, a
            DataFrame with "child" and "parent", or a mapping of each name to the one above it.

    Raises:
        BadTable: The file cannot be read as a table.
        BadInput: A column is missing, a value is empty, a name has two parents, or names go round in a circle.
    """
    listed = [source] if isinstance(source, str | Path) else source
    if isinstance(listed, Sequence) and len(listed) == 1 and Path(listed[0]).suffix.lower() in FILES:
        if not Path(listed[0]).is_file():
            raise BadInput(f"hierarchy {listed[0]}: there is no such file; give a csv or parquet file of child,parent")
        read = read_file(Path(listed[0]), Path(listed[0]).parent)
        return _of_pairs(read.frame, str(listed[0]), read.first_row)
    if isinstance(source, pd.DataFrame):
        return _of_pairs(source.reset_index(drop=True), "the hierarchy", 0)
    if isinstance(source, Mapping):
        pairs = pd.DataFrame({"child": list(source), "parent": list(source.values())}, dtype=object)
        return _of_pairs(pairs, "the hierarchy", 0)
    columns = tuple(str(each) for each in listed)
    if not columns or len(set(columns)) < len(columns) or "label" in columns:
        raise BadInput(
            f"hierarchy is {columns}; name columns above the label, each once, or a table of child and parent"
        )
    return LabelTree(columns, {}, " above ".join([*reversed(columns), "label"]))


def _of_pairs(frame: pd.DataFrame, name: str, first_row: int) -> LabelTree:
    missing = [column for column in ("child", "parent") if column not in frame]
    if missing:
        raise BadInput(f"{name}: a hierarchy has the columns child, parent; add {', '.join(missing)}")
    parents: dict[str, str] = {}
    sides = (label_texts(frame[column], column) for column in ("child", "parent"))
    for row, (child, parent) in enumerate(zip(*sides, strict=True), first_row):
        if not child and not parent:
            continue
        if not child or not parent:
            raise BadInput(
                f"{name}: {'parent' if child else 'child'} is empty in row {row}; the top has no row of its own"
            )
        if parents.setdefault(child, parent) != parent:
            raise BadInput(
                f"{name}: {child!r} has two parents, {parents[child]!r} and in row {row} {parent!r}; keep one"
            )
    if not parents:
        raise BadInput(f"{name}: there is no pair of child and parent; give at least one")
    try:
        heights_of(parents)
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from error
    return LabelTree((), parents, name)
