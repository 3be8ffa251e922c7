"""What a table probably means: columns that nearly bear a documented name, and words that stand for nothing."""

import re
from collections.abc import Sequence

import pandas as pd

__all__ = ["emptied", "near_misses", "twice_written"]

NOTHING = frozenset({"nan", "none", "null", "na", "n/a", "<na>", "-"})  # in columns where an empty value has a meaning
SYNONYMS = {"class": "label", "identity": "label", "burst": "sequence", "track": "sequence"}
FRACTION = re.compile(r"(-?[0-9]+)\.0+")


def near_misses(known: Sequence[str], present: Sequence[str], others: Sequence[str], name: str) -> list[str]:
    """A sentence for each column that is not read although it nearly bears the name of one that would be.

    Args:
        known: The documented names.
        present: Those that the table has.
        others: The table's other columns.
        name: Name of the table.
    """
    absent = [column for column in known if column not in present]
    meanings = {_bare(word): column for word, column in SYNONYMS.items() if column in absent}
    meanings |= {_bare(column): column for column in absent}
    found = []
    for column in others:
        meant = meanings.get(_bare(column))
        if meant is not None:
            found.append(f"{name}: the column {column!r} is not read; if it is meant, rename it to {meant!r}")
    return found


def emptied(text: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The table's text where words such as "nan" and "-" in category and sequence are empty, and what is said of it.

    Args:
        text: The known columns as text.
        name: Name of the table.
    """
    said = []
    for column in ("category", "sequence"):
        if column not in text:
            continue
        words = text[column].str.casefold().isin(NOTHING)
        if words.any():
            first = text[column][words].iloc[0]
            said.append(f"{name}: {int(words.sum())} values of {column} such as {first!r} are taken for empty ones")
            text = text.assign(**{column: text[column].mask(words, "")})
    return text, said


def twice_written(values: pd.Series) -> pd.Series:
    """The rows whose value is a number such as "3.0" while others have "3": to the eye one thing, and two labels."""
    distinct = set(values.unique())
    wrong = {value for value in distinct if (number := FRACTION.fullmatch(value)) and number[1] in distinct}
    return values.isin(wrong)


def _bare(column: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", column.casefold())
    return re.sub(r"^b?box(?=[xy][12]$)", "", letters).removesuffix("s")
