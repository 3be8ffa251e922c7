"""Parquet files of ours: every byte is under a checksum, and whatever is wrong with a file is one error.

Parquet has checksums of its pages and of nothing else. A file of ours has 16 bytes more between its pages and its
footer, where other programs do not look: a mark, and the checksums of all that stands before and behind them.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from omlzoo.errors import BadInput, OmlzooError
from omlzoo.files import check_regular, new_file

__all__ = ["open_parquet", "read_parts", "read_table", "write_parquet"]

MARK = b"omlzoo\x00\x02"
SEAL = struct.Struct("<8sII")  # the mark, the checksum of what is before it and of what is behind it
END = struct.Struct("<I4s")  # the last bytes of any Parquet file: length of the footer, and PAR1
BLOCK = 1 << 20
ROWS = 1_000_000, 100  # that any file may have, and more for each byte of it: repeated values take next to nothing
REMEDY = "remove it and embed again, or copy it again from where it is whole"


def write_parquet(path: str | Path, table: pa.Table, repeating: Sequence[str] | bool = True) -> None:
    """Write a table as a file that :func:`open_parquet` can check.

    Args:
        path: The file, which appears whole or not at all.
        table: The table.
        repeating: Names of the columns whose values repeat; True for all.
    """
    with new_file(path) as temporary, temporary.open("w+b") as file:  # pyarrow cannot open names that are not UTF-8
        pq.write_table(table, file, use_dictionary=repeating, write_page_checksum=True)
        start = _footer(file)
        file.seek(0)
        before = _checksum(file, start)
        footer = file.read()
        file.seek(start)
        file.write(SEAL.pack(MARK, before, zlib.crc32(footer)) + footer)


@contextmanager
def open_parquet(path: str | Path, whole: bool = False) -> Iterator[Any]:
    """Yield an open ``pyarrow.parquet.ParquetFile``; whatever the block raises is one error that names the file.

    Files of ours are checked before they are parsed. Files without our mark, such as those of earlier versions and
    those that another program wrote again, are held against the checksums of their pages where they have any.

    Args:
        path: The file.
        whole: Check all of a file of ours. False checks its footer, and the pages that are read.

    Raises:
        BadInput: There is no such file, it is no regular file, or it is damaged.
    """
    path = Path(path)
    check_regular(path)
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file; `omlzoo embed` writes one")
    try:
        with path.open("rb") as file:
            _check(file, whole)
            size = file.seek(0, os.SEEK_END)
            streamed = {"pre_buffer": False, "buffer_size": BLOCK}  # else columns are read whole before they are parsed
            with pq.ParquetFile(file, page_checksum_verification=True, **streamed) as parquet:
                rows = parquet.metadata.num_rows
                if not 0 <= rows <= ROWS[0] + ROWS[1] * size:
                    raise BadInput(f"{rows:,} rows in {size:,} bytes; such a file is none of ours")
                yield parquet
    except OmlzooError as error:
        raise BadInput(f"{path}: {error}") from error
    except Exception as error:  # pyarrow raises OSError, ArrowInvalid, KeyError, MemoryError, RecursionError and others
        if isinstance(error, OSError) and error.errno:
            raise BadInput(f"{path}: cannot be read ({os.strerror(error.errno)})") from error
        said = str(error).partition("\n")[0] or type(error).__name__
        raise BadInput(f"{path}: not a whole Parquet file of ours ({said}); {REMEDY}") from error


def read_table(parquet: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """What an open file holds. Texts that are no UTF-8 and other values that no program writes raise an error of Arrow.

    Args:
        parquet: What :func:`open_parquet` yielded.
        columns: Names of columns, in their order; those that the file does not have are left out. None is all.
    """
    if columns is not None:
        columns = [name for name in dict.fromkeys(columns) if name in parquet.schema_arrow.names]
    table = parquet.read(columns=columns)
    table.validate(full=True)
    return table if columns is None else table.select(columns)


def read_parts(parquet: Any, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """As :func:`read_table`, some rows at a time, so that the columns need not be in memory together.

    Args:
        parquet: What :func:`open_parquet` yielded.
        columns: Names of columns, in their order.
        rows: Most rows of a part.
    """
    for batch in parquet.iter_batches(rows, columns=list(columns)):
        part = pa.Table.from_batches([batch])
        part.validate(full=True)
        yield part.select(list(columns))


def _check(file: BinaryIO, whole: bool) -> None:
    """Hold a file of ours against its checksums."""
    seal = _footer(file) - SEAL.size
    if seal < 0:
        return
    file.seek(seal)
    mark, before, behind = SEAL.unpack(file.read(SEAL.size))
    if mark != MARK:
        return
    right = zlib.crc32(file.read()) == behind
    if right and whole:
        file.seek(0)
        right = _checksum(file, seal) == before
    if not right:
        raise BadInput(f"damaged (its checksum is not that of its content); {REMEDY}")


def _footer(file: BinaryIO) -> int:
    """Where the footer begins; a number below 0 if there is none."""
    size = file.seek(0, os.SEEK_END)
    if size < END.size:
        return -1
    file.seek(size - END.size)
    length, magic = END.unpack(file.read(END.size))
    return size - END.size - int(length) if magic == b"PAR1" else -1


def _checksum(file: BinaryIO, count: int) -> int:
    """Checksum of the next bytes."""
    found = 0
    while count > 0 and (block := file.read(min(BLOCK, count))):
        found = zlib.crc32(block, found)
        count -= len(block)
    return found
