"""The queries and the gallery of a measurement: flags and ids as users pass them, checked and coded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.ops.codes import is_tensor, label_codes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NOBODY", "Flags", "Ids", "Selection", "count_relevant", "select"]

NOBODY = -1
Flags: TypeAlias = "Sequence[bool] | np.ndarray | Tensor | None"
Ids: TypeAlias = "Sequence[Any] | np.ndarray | Tensor | None"


@dataclass(frozen=True)
class Selection:
    """The pairs of a measurement: each query with each gallery row except itself and the rows of its sequence.

    Attributes:
        labels: (N,) codes of the labels, from 0.
        queries: (Q,) numbers of the rows that are queries.
        gallery: (G,) numbers of the rows that are in the gallery.
        sequences: (N,) codes of the sequences, from 0, -1 for none; None where there are no sequences.
    """

    labels: np.ndarray
    queries: np.ndarray
    gallery: np.ndarray
    sequences: np.ndarray | None = None

    @property
    def symmetric(self) -> bool:
        """Whether queries and gallery are the same rows; a pair then has two orders."""
        return np.array_equal(self.queries, self.gallery)


def select(
    count: int,
    labels: Ids,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    cameras: Ids = None,
) -> Selection:
    """The selection of ``count`` rows.

    Args:
        count: Number N of rows.
        labels: (N,) ids of any kind: text, or numbers.
        is_query: (N,) bool; all rows by default.
        is_gallery: (N,) bool; all rows by default.
        sequences: (N,) ids of bursts or tracks; None, NaN or "" for none.
        cameras: (N,) ids; of a query's label only rows of other cameras count, as in re-identification.

    Raises:
        BadInput: Shapes differ, a label is missing, text and numbers are mixed, a flag is not True or False, or there
            is no query or gallery row.
    """
    if labels is None:
        raise BadInput("labels are missing; give each row an id")
    codes = label_codes(labels, "labels", count=count)[0]
    bursts = None if sequences is None else label_codes(sequences, "sequences", missing=True, count=count)[0]
    if cameras is not None:
        if bursts is not None:
            raise BadInput("sequences and cameras are both given; give the one whose rows are to be ignored")
        camera_codes = label_codes(cameras, "cameras", missing=True, count=count)[0]
        both = codes * (int(camera_codes.max(initial=0)) + 1) + camera_codes
        bursts = np.where(camera_codes == NOBODY, NOBODY, np.unique(both, return_inverse=True)[1])
    return Selection(codes, _rows(is_query, "is_query", count), _rows(is_gallery, "is_gallery", count), bursts)


def count_relevant(chosen: Selection, place: np.ndarray) -> np.ndarray:
    """Number (Q,) of gallery rows with each query's label, without itself and without those of its sequence.

    Args:
        chosen: Queries, gallery, labels and sequences.
        place: (N,) position of each row in the gallery; -1 where it is not in the gallery.
    """
    codes, sequence, queries, gallery = chosen.labels, chosen.sequences, chosen.queries, chosen.gallery
    per_label = np.bincount(codes[gallery], minlength=int(codes.max(initial=0)) + 1)
    count = per_label[codes[queries]]
    itself = (place[queries] != NOBODY).astype(count.dtype)
    if sequence is None:
        return np.asarray(count - itself)
    width = int(sequence.max(initial=NOBODY)) + 2
    pair = codes.astype(np.int64) * width + sequence + 1
    known, counts = np.unique(pair[gallery], return_counts=True)
    position = np.searchsorted(known, pair[queries]).clip(max=max(0, len(known) - 1))
    together = np.where(known[position] == pair[queries], counts[position], 0)
    return np.asarray(count - np.where(sequence[queries] == NOBODY, itself, together))


def _rows(flags: Flags, name: str, count: int) -> np.ndarray:
    array = np.ones(count, dtype=bool) if flags is None else _listed(flags)
    if array.shape != (count,):
        raise BadInput(f"{name} have the shape {array.shape}; it must be ({count},), one for each embedding")
    if not all(flag in (0, 1) for flag in array.tolist()):
        raise BadInput(
            f"{name} holds {next(flag for flag in array.tolist() if flag not in (0, 1))!r}; use True and False"
        )
    rows = np.flatnonzero(array.astype(bool))
    if not len(rows):
        raise BadInput(f"{name} is true nowhere; at least one row is needed")
    return rows


def _listed(flags: Any) -> np.ndarray:
    try:
        return np.asarray(flags.detach().cpu() if is_tensor(flags) else flags)
    except (TypeError, ValueError) as error:
        raise BadInput(f"flags are no list of True and False ({error})") from error
