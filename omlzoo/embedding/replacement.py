"""What is there where embeddings are to be written: it is gone on with, or replaced by new ones as a whole.

The new rows of a folder are computed in a folder within it and count all at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from omlzoo.embedding.embeddings import Embeddings, count_rows, read_embeddings, read_metadata
from omlzoo.embedding.quantization import VectorFormat
from omlzoo.embedding.record import Record
from omlzoo.embedding.shard_files import removed_files, row_files
from omlzoo.embedding.shard_settings import FACTS, ROWS_FOLDER, Settings, remove_folder
from omlzoo.embedding.shards import Shards
from omlzoo.errors import BadInput, OmlzooError, notice
from omlzoo.files import sync

__all__ = ["PARTS", "finished_file", "kept_precision", "shards_to_fill"]

PARTS = ".parts"  # after the name of a file, the folder of its rows until they are complete
NEXT = ".next"  # the folder of new rows until they are complete; readers of Parquet pass over hidden names


def kept_precision(out: str | Path, digest: str, overwrite: bool) -> str | None:
    """The precision of vectors of these weights that a run would go on with or find finished; None where it begins.

    Args:
        out: The file or folder of the run.
        digest: What the record says of the weights.
        overwrite: Whether finished vectors are replaced, so that only the new ones of a run that was killed count.
    """
    out = Path(out)
    for place in (out / NEXT if overwrite else out, out.with_name(f"{out.name}{PARTS}")):
        try:
            folder = (place / FACTS).is_file()
            record = Settings.read(place).record if folder else None if overwrite else read_metadata(place)
        except (OmlzooError, OSError):  # nothing, or something else, which is refused where it is opened
            continue
        if record is not None and record.sha256 == digest:
            return record.precision
    return None


@contextmanager
def shards_to_fill(folder: str | Path, record: Record, form: VectorFormat, overwrite: bool = False) -> Iterator[Shards]:
    """Yield the shards that a run writes to, locked: those of the folder, or new ones that replace them at the end.

    A run that ends before its block does leaves the old rows. Started again with the same settings it goes on with the
    new ones where it was.

    Args:
        folder: The folder, which is made if there is none.
        record: How the vectors are made.
        form: Form of the vectors in the files.
        overwrite: Whether rows that the folder holds are replaced by new ones, whatever their settings are.

    Raises:
        BadInput: The folder holds something else, or is being written; or its rows have other settings and
            ``overwrite`` is False.
    """
    folder = Path(folder)
    replaces = overwrite and (folder / FACTS).is_file()
    opened = (folder,) if replaces else (folder, record, form)
    with Shards.open(*opened).lock():
        shards = Shards.open(*opened)  # as it is now that no other process changes it
        if not replaces:
            _remove_replaced(shards)
            yield shards
            return
        _check_ours(shards)
        notice(f"{folder} holds {_described(shards)}, which are replaced")
        following = folder / f"rows-{int(shards.within.partition('-')[2] or 0) + 1}"
        if following.is_dir() and not (folder / NEXT).exists():  # killed before they counted
            following.rename(folder / NEXT)
        _remove_replaced(shards)
        new = Shards.temporary(folder / NEXT, record, form)
        with new.lock():
            yield new
        (folder / NEXT).rename(following)
        sync(folder)
        Settings(new.record, form, following.name).write(folder)
        _remove_replaced(Shards.open(folder))


def finished_file(out: Path, record: Record, overwrite: bool) -> Embeddings | None:
    """What an earlier run wrote to a file; None where there is nothing, or it is to be replaced, which is said.

    Args:
        out: The file.
        record: How the vectors are made.
        overwrite: Whether embeddings that are there are replaced.

    Raises:
        BadInput: It is a folder or a file that is not ours, or of other rows or settings and ``overwrite`` is False.
    """
    if out.is_dir():
        raise BadInput(f"{out} is a folder; give the name of a file, or call embed_shards")
    if not out.exists():
        return None
    kept = read_metadata(out)
    if overwrite:
        notice(f"{out} holds {count_rows(out):,} rows by {kept.model}, which are replaced")
        return None
    if replace(kept, decoder=record.decoder) != record:
        raise BadInput(
            f"{out} exists and has other rows or settings, by {kept.model}; give another name, or overwrite "
            "(--overwrite) to replace it"
        )
    differs = record.decoding_differs(kept)
    if differs:
        notice(f"{out}: {differs}")
    return read_embeddings(out)


def _check_ours(shards: Shards) -> None:
    """Refuse files whose names begin as ours do and are others, before anything is computed."""
    row_files(shards.folder)
    removed_files(shards.folder)


def _described(shards: Shards) -> str:
    try:
        return f"{len(shards):,} rows by {shards.record.model}"
    except BadInput as error:
        return f"damaged rows by {shards.record.model} ({error})"


def _remove_replaced(shards: Shards) -> None:
    """Remove files of rows that do not count any more."""
    for path in shards.folder.glob("rows-*"):
        if ROWS_FOLDER.fullmatch(path.name) and path.name != shards.within and (path / FACTS).is_file():
            remove_folder(path)
    if shards.within:
        for path in (*row_files(shards.folder), *removed_files(shards.folder)):
            path.unlink()
