"""How a csv file is written: its encoding, its separator, the lines above its header, and how many lines it has."""

import codecs
import csv
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omlzoo.data.table_rules import COLUMNS

__all__ = ["MOST_COLUMNS", "Written", "count_lines", "how_written"]

MOST_COLUMNS = 16_384  # as in a spreadsheet
SEPARATORS = ",;\t|"
MARKS = (  # of UTF-32 first, whose little-endian one begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
ABOVE = 1000  # lines above the header that are looked through
BLOCK = 1 << 20


class Written(NamedTuple):
    """How a csv file is written.

    Attributes:
        encoding: Its encoding, as Python names it.
        separator: What stands between two values.
        names: The names of the columns, as the header has them.
        above: Lines above the header that a spreadsheet shows: comments and blank lines.
        hidden: Lines above the header that a spreadsheet does not show: ``sep=``, by which it is told the separator.
    """

    encoding: str
    separator: str
    names: list[str]
    above: int = 0
    hidden: int = 0

    def notices(self, path: Path) -> list[str]:
        """What a user should be told."""
        said = []
        if self.encoding != "utf-8-sig":
            said.append(f"{path}: it is {self.encoding.upper()} and is read so")
        if self.separator != ",":
            said.append(f"{path}: its columns are separated by {self.separator!r} and are read so")
        if self.above:
            said.append(f"{path}: {self.above} comment or blank lines above the header were passed over")
        known = [name for name in self.names if name not in COLUMNS and name]
        twice = sorted({name for name in known if known.count(name) > 1}) if len(set(known)) < len(known) else []
        if twice:
            said.append(
                f"{path}: the column {twice[0]!r} stands there twice; the later one is kept as {twice[0] + '.1'!r}"
            )
        return said


def how_written(path: Path) -> Written:
    """How a csv file is written, told by its first lines.

    Raises:
        ValueError: Its first row has more values than its header has names.
        UnicodeDecodeError: The lines above its first row are not of its encoding.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as opened:
        lines = iter(opened)
        separator, names, skipped, hidden = _header(lines)
        row = next(lines, "")
        try:
            count = len(next(csv.reader(itertools.chain([row], lines), delimiter=separator), []))
        except csv.Error:  # a value of more than 131,072 characters
            count = row.count(separator) if row.count(separator) > MOST_COLUMNS else 0
    if count > len(names) > 0:
        raise ValueError(f"row 2 has {count:,} values and the header {len(names):,} names; give as many")
    return Written(encoding, separator, names, skipped, hidden)


def count_lines(path: Path, encoding: str) -> int:
    """The lines of a text file, of which the last one may lack its end.

    Args:
        path: The file.
        encoding: Its encoding, as Python names it.
    """
    if encoding.startswith(("utf-16", "utf-32")):
        with path.open(encoding=encoding) as opened:
            return sum(1 for _ in opened)
    ends, returns, last = 0, 0, b""
    with path.open("rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            ends += block.count(b"\n")
            returns += 0 if ends else block.count(b"\r")
            last = block[-1:]
    return (ends or returns) + (last not in (b"", b"\n", b"\r"))


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        first = file.read(4)
    for mark, name in MARKS:
        if first.startswith(mark):
            return name
    if len(first) == 4 and first[0] and first[2] and first[1] == first[3] == 0:  # letters of UTF-16 without its mark
        return "utf-16-le"
    if len(first) == 4 and first[1] and first[3] and first[0] == first[2] == 0:
        return "utf-16-be"
    return "utf-8-sig"


def _header(lines: Iterator[str]) -> tuple[str, list[str], int, int]:
    """The separator, the names, and how many comment or blank lines and ``sep=`` lines stand above them."""
    skipped = hidden = 0
    given = ""
    for line in itertools.islice(lines, ABOVE):
        bare = line.strip()
        if not hidden and not skipped and bare.lower().startswith("sep=") and len(bare) <= 5:
            given, hidden = line.lstrip()[4:5].strip("\r\n") or ",", 1
            continue
        separator = given or _separator(line)
        if bare and not (bare.startswith("#") and not _known(line, separator)):
            names = next(csv.reader(itertools.chain([line], lines), delimiter=separator), [])
            return separator, names, skipped, hidden
        skipped += 1
    return given or ",", [], 0, 0


def _separator(line: str) -> str:
    """The separator by which a header has most documented names; a comma where none has any."""
    return max(SEPARATORS, key=lambda mark: _known(line, mark))


def _known(line: str, separator: str) -> int:
    names: Sequence[str] = []
    with suppress(csv.Error, StopIteration):
        names = next(csv.reader([line], delimiter=separator))
    return sum(name.strip().casefold() in COLUMNS for name in names)
