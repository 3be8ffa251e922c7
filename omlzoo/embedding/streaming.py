"""Embeddings of pictures that come one after the other, once, in unknown number."""

import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.images import Box
from omlzoo.data.late_picture import Picture
from omlzoo.data.picture_list import Stream
from omlzoo.data.sources._opened import Item
from omlzoo.embedding.choices import settled
from omlzoo.embedding.columns import ERROR, error_column
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.failures import say_failures
from omlzoo.embedding.hardware import cores
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import DEFAULT, Pipeline
from omlzoo.embedding.rehearsal import FEWEST
from omlzoo.embedding.run_record import record_of
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.progress import bar

__all__ = ["embed_stream"]

EACH = 4  # of the first pictures every fourth is rehearsed with


def embed_stream(
    model: Extractor,
    stream: Stream,
    *,
    options: ComputeOptions = DEFAULT,
    run: Pipeline | None = None,
    progress: bool = True,
) -> Embeddings:
    """Vectors of pictures that come one after the other; of the pictures only those at work are in memory.

    Args:
        model: The extractor, which must have an entry.
        stream: The pictures.
        options: How the model computes. "auto" is decided by the first 64 pictures, which wait for that.
        run: The pipeline of the model, where it was made already; ``options`` is then ignored.
        progress: Draw a bar where standard error is a terminal; it counts up where their number is not known.

    Raises:
        BadInput: There is no picture, or the precision is "int8", which learns from pictures all over a source.
    """
    start = time.perf_counter()
    items, names, labels = iter(stream.items), list[str](), list[Any]()
    if run is None:
        items, options = _settled(model, items, options)
        run = Pipeline.of(model, options)
    vectors, errors = list[np.ndarray](), list[str]()
    items, count = _counted(items, stream.count, EACH * run.options.batch_size * (run.options.workers or cores()))
    with bar(count, "embed", "picture", progress) as progress_bar:
        for found, why in run.streamed(_noted(items, names, labels), count):
            vectors.append(found)
            errors += why
            progress_bar.update(len(why))
        say_failures(errors, progress_bar)
    run.remarks.say()
    frame = pd.DataFrame({"path": pd.Series(names, dtype="str")})
    if any(label is not None for label in labels):
        frame["label"] = _column(labels)
    frame[ERROR] = error_column(errors, frame.index)
    stats = {"rows": float(len(frame)), "failed": float(sum(map(bool, errors))), "resumed": 0.0,
             "seconds": time.perf_counter() - start, **run.seconds}  # fmt: skip
    return Embeddings(np.concatenate(vectors), frame, record_of(model, Path(), run), model, stats)


def _settled(model: Extractor, items: Iterator[Item], options: ComputeOptions) -> tuple[Iterator[Item], ComputeOptions]:
    """The items, and the options with the precision and the runtime decided."""
    if options.precision == "int8":
        raise BadInput("int8 is calibrated on pictures from all over a source; give files, or another precision")
    if "auto" not in (options.precision, options.runtime):
        return items, options
    first = list(islice(items, FEWEST))
    some = [(item.picture, None) for item in first[::EACH]]
    return chain(first, items), settled(model, options, some, len(first))


def _counted(items: Iterator[Item], count: int | None, most: int) -> tuple[Iterator[Item], int | None]:
    """The items, and their number where it is known, or where they are fewer than ``most`` paths, which are light."""
    if count is not None:
        return items, count
    first = []
    for item in islice(items, most):
        first.append(item)
        if not isinstance(item.picture, Path):
            return chain(first, items), None
    return chain(first, items), len(first) if len(first) < most else None


def _noted(items: Iterator[Item], names: list[str], labels: list[Any]) -> Iterator[tuple[Picture, Box | None]]:
    """The pictures, while their names and labels are noted."""
    for item in items:
        names.append(item.name)
        labels.append(item.label)
        yield item.picture, None


def _column(labels: list[Any]) -> "pd.Series[Any]":
    """Labels as integers where all are, else as text, "" where there is none."""
    if all(isinstance(label, int) for label in labels):
        return pd.Series(labels, dtype="int64")
    return pd.Series(["" if label is None else str(label) for label in labels], dtype="str")
