"""Which rows of a table train and which are held out, so that what belongs together is never parted.

Rows belong together by a *group*; a *unit* is a value that is counted, such as a label. Each group lies whole on one
side, and the units of a group do too.
"""

from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.table_rules import ROLES
from omlzoo.errors import BadInput

__all__ = ["deal_folds", "draw_share", "newest", "times_of", "with_roles"]


def draw_share(groups: np.ndarray, units: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The rows (N,) bool that are held out: groups in random order, as long as their units are at most the share.

    Args:
        groups: (N,) int, from 0; rows of a group stay together.
        units: (N,) int, from 0; rows of a unit are of one group.
        share: Share of the units, above 0 and below 1; at least one group is held out, the smallest where all are
            larger than the share.
        seed: Of the order.

    Raises:
        BadInput: All rows are of one group.
    """
    of_row, sizes = _sizes(groups, units)
    if len(sizes) < 2:
        raise BadInput("all rows belong together, by their labels, sequences or copies; there is nothing to part")
    most = max(1, round(share * int(sizes.sum())))
    held, count = np.zeros(len(sizes), dtype=bool), 0
    order = np.random.default_rng(seed).permutation(len(sizes))
    for group in order.tolist():
        if count + sizes[group] <= most:
            held[group], count = True, count + int(sizes[group])
    if not count:
        held[order[np.argmin(sizes[order])]] = True
    elif held.all():
        held[order[-1]] = False
    return np.asarray(held[of_row])


def deal_folds(groups: np.ndarray, units: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold (N,) of each row, from 0: groups, the largest first, go to the fold that has the fewest units.

    Args:
        groups: (N,) int, from 0; rows of a group stay together.
        units: (N,) int, from 0; rows of a unit are of one group.
        folds: How many, at least 2.
        seed: Of the order of groups of one size.

    Raises:
        BadInput: There are fewer groups than folds, or fewer than two folds.
    """
    of_row, sizes = _sizes(groups, units)
    if not 2 <= folds <= len(sizes):
        raise BadInput(f"folds is {folds}; it must be from 2 to {len(sizes)}, the number of groups that stay whole")
    chance = np.random.default_rng(seed).permutation(len(sizes))
    fold, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(folds, dtype=np.int64)
    for group in np.lexsort([chance, -sizes]).tolist():
        fold[group] = np.argmin(filled)
        filled[fold[group]] += sizes[group]
    return np.asarray(fold[of_row])


def newest(groups: np.ndarray, times: np.ndarray, share: float, since: float | None = None) -> tuple[np.ndarray, float]:
    """The rows (N,) bool that are held out by time, and the time from which on: groups with a row as late as that.

    So training sees nothing of what comes after. Rows of such a group that are earlier are held out as well.

    Args:
        groups: (N,) int, from 0; rows of a group stay together.
        times: (N,) float.
        share: Share of the rows that the newest ones make; more where several have the time of the first of them.
        since: The time itself; by default that of the share.

    Raises:
        BadInput: No row is that late, or no group is earlier.
    """
    if since is None:
        since = float(np.sort(times)[-max(1, round(share * len(times)))])
    of_row = np.unique(groups, return_inverse=True)[1]
    latest = np.full(int(of_row.max()) + 1, -np.inf)
    np.maximum.at(latest, of_row, times)
    held = (latest >= since)[of_row]
    if not held.any():
        raise BadInput("no row is as late as that; give an earlier time")
    if held.all():
        raise BadInput("no row is left to train: all are as late as that, or belong together with rows that are")
    return held, since


def times_of(values: "pd.Series[Any]", column: str) -> tuple[np.ndarray, bool]:
    """The times (N,) float of a column, and whether they are dates (then in seconds since 1970, UTC).

    Args:
        values: (N,) dates, texts such as 2024-05-01 or 2024-05-01T12:30:00Z, or numbers such as a year. A time without
            a zone counts as UTC.
        column: Name of the column, for messages.

    Raises:
        BadInput: A value is missing, or is neither a date nor a number as the others are.
    """
    texts = values.astype(str).str.strip()
    empty = (values.isna() | (texts == "")).to_numpy(bool)
    if empty.any():
        raise BadInput(f"{column} is empty in {int(empty.sum())} rows, the first number {int(np.argmax(empty))}; "
                       "fill it, or leave those rows out")  # fmt: skip
    is_date = pd.api.types.is_datetime64_any_dtype(values.dtype)
    numbers = pd.to_numeric(texts if not is_date else pd.Series(np.nan, values.index), errors="coerce")
    if np.isfinite(numbers).all():
        return numbers.to_numpy(np.float64), False
    written = texts if not is_date else values
    dates = pd.to_datetime(written, errors="coerce", utc=True, format=None if is_date else "ISO8601")
    wrong = dates.isna().to_numpy(bool)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadInput(f"{column} is {texts.iloc[row]!r} in row {row}; write dates such as 2024-05-01, or numbers")
    seconds = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return seconds.to_numpy(np.float64), True


def with_roles(frame: pd.DataFrame, held: np.ndarray) -> pd.DataFrame:
    """The rows with split, is_query and is_gallery, which stand behind the label.

    Args:
        frame: N rows.
        held: (N,) bool; rows held out are validation, each of them query and gallery.
    """
    flags = np.where(held, "true", "")
    roles = {"split": np.where(held, "validation", "train"), "is_query": flags, "is_gallery": flags}
    rest = frame.drop(columns=[column for column in ROLES if column in frame])
    place = list(rest.columns).index("label") + 1
    columns = {**rest.iloc[:, :place], **roles, **rest.iloc[:, place:]}
    return pd.DataFrame(columns, index=frame.index)


def _sizes(groups: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group (N,) of each row, from 0 without gaps, and how many units each group has."""
    of_row = np.unique(groups, return_inverse=True)[1]
    pairs = np.unique(np.stack([of_row, units]), axis=1)
    return of_row, np.bincount(pairs[0])
