"""What a table probably means: columns that nearly bear a documented name, and words that stand for nothing."""

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd

__all__ = ["alike", "emptied", "meaning", "near_misses", "shared_bursts", "twice_written"]

NOTHING = frozenset({"nan", "none", "null", "na", "n/a", "<na>", "nat", "-"})  # where an empty value has a meaning
OPTIONAL = ("category", "sequence", "is_query", "is_gallery", "x_1", "x_2", "y_1", "y_2")
SYNONYMS = {
    "class": "label", "identity": "label", "target": "label", "pid": "label", "burst": "sequence", "track": "sequence",
    "image": "path", "file": "path", "filename": "path", "filepath": "path", "imagepath": "path", "img": "path",
    "query": "is_query", "gallery": "is_gallery", "xmin": "x_1", "xmax": "x_2", "ymin": "y_1", "ymax": "y_2",
    "left": "x_1", "right": "x_2", "top": "y_1", "bottom": "y_2",
}  # fmt: skip
NUMBER = re.compile(r"(-?[0-9]+)(?:\.0+)?")
SHORTEST = 4  # letters of a name that may have one wrong
BLANK = re.compile(r"[^\S\r\n]+")
UNSEEN = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")  # without ink or meaning


def near_misses(
    known: Sequence[str], present: Sequence[str], others: Sequence[str], name: str, synonyms: bool = True
) -> list[str]:
    """A sentence for each column that is not read although it nearly bears the name of one that would be.

    Args:
        known: The documented names.
        present: Those that the table has.
        others: The table's other columns.
        name: Name of the table.
        synonyms: Take other words for the same thing for near ones too.
    """
    absent = [column for column in known if column not in present]
    meant = {column: meaning(column, absent, synonyms) for column in others}
    said = "{}: the column {!r} is not read; if it is meant, rename it to {!r}"
    return [said.format(name, column, column_meant) for column, column_meant in meant.items() if column_meant]


def meaning(column: str, absent: Sequence[str], synonyms: bool = True) -> str | None:
    """The documented name that a column probably means; None where it means none of them.

    Args:
        column: The name that the table has.
        absent: The documented names that it does not have.
        synonyms: Take other words for the same thing too.
    """
    bare = _bare(column)
    names = {_bare(name): name for name in absent}
    if bare in names:
        return names[bare]
    near = next((name for bare_name, name in names.items() if _one_letter_off(bare, bare_name)), None)
    other = next((meant for word, meant in SYNONYMS.items() if _bare(word) == bare), None) if synonyms else None
    return near or (other if other in absent else None)


def emptied(text: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The table's text where words such as "nan" and "-" in optional columns are empty, and what is said of it.

    Args:
        text: The known columns as text.
        name: Name of the table.
    """
    said = []
    for column in (column for column in OPTIONAL if column in text):
        words = text[column].str.casefold().isin(NOTHING)
        if words.any():
            first = text[column][words].iloc[0]
            said.append(f"{name}: {int(words.sum())} values of {column} such as {first!r} are taken for empty ones")
            text = text.assign(**{column: text[column].mask(words, "")})
    return text, said


def shared_bursts(text: pd.DataFrame, name: str) -> list[str]:
    """A sentence where rows of one sequence are in train and in validation: training sees what is measured.

    Args:
        text: The known columns as text.
        name: Name of the table.
    """
    if "sequence" not in text or "split" not in text:
        return []
    sides = [set(text["sequence"][text["split"] == split]) for split in ("train", "validation")]
    both = (sides[0] & sides[1]) - {""}
    some = f"{len(both)} sequence{'s have' if len(both) > 1 else ' has'} rows in train and in validation"
    said = f"{name}: {some}, so training sees what is measured"
    return [f"{said}; the first: {min(both)!r}"] if both else []


def twice_written(values: pd.Series) -> pd.Series:
    """The rows whose value is one number written as another is, such as "3.0" beside "3": to the eye one thing."""
    known = set(values.unique())
    spellings: dict[str, list[str]] = {}
    for value in values.unique():
        if value.endswith("0") and (found := NUMBER.fullmatch(value)) and found[1] != value:
            spellings.setdefault(found[1], []).append(value)
    wrong: set[str] = set()
    for whole, with_zeros in spellings.items():
        wrong.update(with_zeros if whole in known else with_zeros[1:])
    return values.isin(wrong)


def alike(values: pd.Series) -> dict[str, str]:
    """Values that are to the eye the same as an earlier one and differ in bytes, each with that one.

    They differ in how a letter and its accent are put together, in the kind of a blank, or in marks that are not seen.
    """
    plain = {value for value in values.unique() if value.isascii() and "  " not in value}
    seen: dict[str, str] = {value: value for value in plain}
    found = {}
    for value in values.unique():
        if value not in plain:
            bare = BLANK.sub(" ", UNSEEN.sub("", unicodedata.normalize("NFC", value))).strip()
            other = seen.setdefault(bare, value)
            if other != value:
                found[value] = other
    return found


def _one_letter_off(name: str, meant: str) -> bool:
    """Whether a name has one letter too few, too many or wrong, or two that changed places."""
    if min(len(name), len(meant)) < SHORTEST:
        return False
    same = next((i for i, (a, b) in enumerate(zip(name, meant, strict=False)) if a != b), min(len(name), len(meant)))
    left, right = name[same:], meant[same:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return left[1:] == right or left == right[1:] or left[1:] == right[1:] or swapped


def _bare(column: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", column.casefold())
    return re.sub(r"^b?box(?=[xy][12]$)", "", letters).removesuffix("s")
