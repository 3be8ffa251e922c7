"""Queries that cannot fail, which the rows of a table show without any model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from omlzoo.data.equal_files import equal_files
from omlzoo.data.table import Table
from omlzoo.evaluation.findings import SHOWN, Finding
from omlzoo.metrics._selection import NOBODY, Selection, count_relevant, select
from omlzoo.ops.codes import label_texts

__all__ = ["find_certain", "find_copied", "find_trivial", "select_rows"]


def select_rows(frame: pd.DataFrame) -> Selection:
    """The queries, the gallery and the sequences of a table's rows, checked.

    Raises:
        BadInput: A label is missing, or there is no query or no gallery row.
    """
    sequences = frame["sequence"].to_numpy() if "sequence" in frame else None
    flags = frame["is_query"].to_numpy(bool), frame["is_gallery"].to_numpy(bool)
    return select(len(frame), frame["label"].to_numpy(), *flags, sequences)


def find_trivial(table: Table) -> list[Finding]:
    """What the validation rows of a table show before any measurement: queries that cannot fail, and copies of queries.

    Args:
        table: A table without faults. The files of its validation rows are read.
    """
    rows = table.rows((table.frame["split"] == "validation").to_numpy())
    frame = rows.frame
    if not len(frame) or not frame["is_query"].any() or not frame["is_gallery"].any():
        return []
    selection = select_rows(frame)
    pictures = pd.DataFrame({"file": equal_files(rows.files()), "box": rows.boxes()})
    numbers = np.asarray(pictures.groupby(["file", "box"], dropna=False).ngroup())
    return [*find_certain(frame, selection), *find_copied(frame["path"].tolist(), numbers, selection)]


def find_certain(frame: pd.DataFrame, selection: Selection) -> list[Finding]:
    """A finding where queries have right answers in the gallery and no wrong one.

    Args:
        frame: N rows with the columns "label" and "path".
        selection: Their queries and gallery.
    """
    right = _candidates(selection, selection.labels)
    wrong = _candidates(selection, np.zeros(len(frame), dtype=np.int64)) - right
    rows = selection.queries[(wrong == 0) & (right > 0)]
    if not len(rows):
        return []
    labels, paths = label_texts(frame["label"], "labels"), frame["path"].astype(str).to_numpy()
    text = f"{len(rows)} of {len(selection.queries)} queries cannot fail: the gallery has no wrong picture for them"
    if len(set(labels)) == 1:
        text += f", as all rows have the label {labels[0]!r}"
    shown = tuple({"path": paths[row], "label": labels[row]} for row in rows[:SHOWN])
    return [Finding("certain", f"{text}; the first: {paths[rows[0]]}", len(rows), shown)]


def find_copied(paths: Sequence[str], pictures: np.ndarray, selection: Selection) -> list[Finding]:
    """A finding where queries have a copy of their own picture in the gallery, with their own label.

    Args:
        paths: N paths.
        pictures: (N,) int, from 0: equal where two rows show the same picture.
        selection: The queries and the gallery.
    """
    width = int(pictures.max(initial=0)) + 1
    rows = selection.queries[_candidates(selection, selection.labels.astype(np.int64) * width + pictures) > 0]
    if not len(rows):
        return []
    text = f"{len(rows)} of {len(selection.queries)} queries have a copy of their own picture in the gallery"
    shown = tuple({"path": str(paths[row])} for row in rows[:SHOWN])
    return [Finding("copied", f"{text}, which any model finds; the first: {paths[rows[0]]}", len(rows), shown)]


def _candidates(selection: Selection, keys: np.ndarray) -> np.ndarray:
    """The number (Q,) of gallery rows with the query's key, without itself and those of its sequence."""
    codes = np.unique(keys, return_inverse=True)[1]
    place = np.full(len(codes), NOBODY)
    place[selection.gallery] = np.arange(len(selection.gallery))
    return count_relevant(replace(selection, labels=codes), place)
