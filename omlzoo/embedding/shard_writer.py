"""Embedding into a folder of shards: what it lacks is computed and written, a file at a time."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from omlzoo.data.table import Table
from omlzoo.embedding.columns import check_writable
from omlzoo.embedding.failures import say_failures
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.shards import ROWS, Shards
from omlzoo.errors import notice
from omlzoo.progress import bar

__all__ = ["embed_part", "fill_shards", "say_decoder", "take_values"]


def fill_shards(shards: Shards, table: Table, run: Pipeline, progress: bool) -> int:
    """Compute the rows that the shards lack, a file at a time; returns how many they had.

    Args:
        shards: The folder, locked by this process.
        table: All rows.
        run: The model as it computes.
        progress: Draw a bar where standard error is a terminal.

    Raises:
        BadInput: A column of the table has a name of ours or cannot be written as Parquet, or the folder is damaged.
    """
    check_writable(table.frame, table.name)
    missing = shards.missing(table)
    errors: list[str] = []
    with bar(len(table), "embed", "picture", progress) as progress_bar:
        progress_bar.update(len(table) - len(missing))
        for start in range(0, len(missing), ROWS):
            part = table.part(missing[start : start + ROWS])
            errors += filter(None, embed_part(shards, part, run, progress_bar.update))
        say_failures(errors, progress_bar, len(missing))
    run.remarks.say()
    return len(table) - len(missing)


def embed_part(
    shards: Shards,
    part: Table,
    run: Pipeline,
    done: Callable[[int], object] = lambda count: None,
    number: int | None = None,
) -> list[str]:
    """Compute the rows of one file and write it; returns their errors.

    Args:
        shards: Where the file goes.
        part: The rows.
        run: The model as it computes.
        done: Called after each batch with the number of rows that it had; by default nothing is called.
        number: Number of the file; the next by default.
    """
    sizes = shards.sizes(part)
    computed: list[np.ndarray] = []
    errors: list[str] = []
    try:
        for vectors, why in run.batches(list(zip(part.pictures(), part.boxes(), strict=True))):
            computed.append(vectors)
            errors += why
            done(len(why))
    finally:  # interrupted: what was computed is kept
        if errors:
            begun = time.perf_counter()
            kept = part.part(slice(len(errors)))
            shards.write(np.concatenate(computed), kept, errors, sizes[: len(errors)], number)
            run.seconds["write"] += time.perf_counter() - begun
    return errors


def take_values(shards: Shards, table: Table) -> None:
    """Give pictures that were there the values that the table has for them now, and say so.

    Args:
        shards: The folder, locked by this process.
        table: All rows.
    """
    other = shards.refresh(table)
    if other:
        message = f"{other} pictures that were there have other values in {table.name} now; these were taken"
        notice(message)


def say_decoder(shards: Shards, decoder: int) -> None:
    """Give notice where a folder's vectors were made by another decoder than those that are added now.

    Args:
        shards: The folder.
        decoder: The number of the decoder that works now.
    """
    differs = shards.record.decoding_differs(replace(shards.record, decoder=decoder))
    if differs:
        notice(f"{shards.folder}: {differs}")
