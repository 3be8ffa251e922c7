"""embed(): a folder, a table or pictures to embeddings, a row for each."""

import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from omlzoo import table as tables
from omlzoo import zoo
from omlzoo.checkpoint import state_digest
from omlzoo.embeddings import ERROR, Embeddings, Record
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.extractor import Extractor
from omlzoo.images import SUFFIXES
from omlzoo.parts import Parts
from omlzoo.pipeline import Picture, Pipeline, Precision
from omlzoo.progress import TerminalBar, bar

__all__ = ["embed", "embed_table", "open_model"]

Source = str | Path | pd.DataFrame | Sequence[str | Path | Image.Image] | Image.Image


def embed(
    model: Extractor | str | Path,
    source: Source,
    *,
    root: str | Path | None = None,
    out: str | Path | None = None,
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Embeddings:
    """Vectors of pictures, a row for each, in the order given.

    Args:
        model: An extractor, or what ``omlzoo.get_model`` opens.
        source: A folder, a table (csv, parquet, DataFrame), a list of paths or PIL images, or one of these.
        root: Where a table's relative paths start; its folder by default.
        out: A Parquet file to write. Parts are kept beside it while the run goes on, and an interrupted run that is
            started again continues.
        batch_size: Pictures that go through the model at once.
        precision: "fp32", "bf16", or "auto": bf16 where the hardware multiplies it.
        workers: Threads; as many as there are cores by default.
        device: "cpu", "cuda", or "auto": the model's own, or a GPU if there is one.
        progress: Draw a bar where standard error is a terminal.

    Returns:
        Embeddings; the rows of pictures that cannot be read have an error and a vector of NaN.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: There is no picture, or ``out`` is a file of something else.
    """
    extractor = open_model(model)
    table, pictures = _pictures(source, root)
    return embed_table(
        extractor, table, pictures, out=out, batch_size=batch_size, precision=precision,
        workers=workers, device=device, progress=progress,
    )  # fmt: skip


def open_model(model: Extractor | str | Path) -> Extractor:
    """The extractor itself, or the one of that name, folder or ``hf-hub:`` address."""
    return model if isinstance(model, Extractor) else zoo.get_model(str(model))


def embed_table(
    model: Extractor,
    table: tables.Table,
    pictures: Sequence[Picture] | None = None,
    *,
    out: str | Path | None = None,
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Embeddings:
    """As :func:`embed`, of a table that was read already."""
    for name, value in (("batch_size", batch_size), ("workers", workers)):
        if value is not None and value < 1:
            raise BadInput(f"{name} is {value}; it must be at least 1")
    for notice in table.notices:
        warnings.warn(notice, OmlzooWarning, stacklevel=3)
    start = time.perf_counter()
    run = Pipeline.of(model, precision, device)
    jobs = list(zip(pictures or table.files(), table.boxes(), strict=True))
    record = _record(model, table.root, run.precision)
    if out is not None and any(isinstance(picture, Image.Image) for picture in pictures or ()):
        raise BadInput("out is for pictures in files; embed PIL images without it and call save on the result")
    parts = None if out is None else Parts.open(Path(out), record, table)
    if parts is not None and parts.finished is not None:
        warnings.warn(f"{out} was finished already; it was read, and nothing was computed", OmlzooWarning, stacklevel=3)
        return parts.finished
    record = record if parts is None else parts.record
    vectors = np.full((len(jobs), model.dim), np.nan, dtype=np.float32)
    errors = [""] * len(jobs)
    done = 0 if parts is None else parts.restore(vectors, errors)
    resumed = done
    with bar(len(jobs), "embed", "picture", progress) as drawn:
        drawn.update(done)
        try:
            for found, said in run.batches(jobs[done:], batch_size, workers):
                vectors[done : done + len(said)] = found
                errors[done : done + len(said)] = said
                done += len(said)
                drawn.update(len(said))
                if parts is not None:
                    parts.write(vectors, errors, done)
        finally:
            if parts is not None and done < len(jobs):  # interrupted: what was computed is kept
                parts.write(vectors, errors, done, least=1)
    _say_failures(errors, drawn)
    frame = table.frame.assign(**{ERROR: pd.Series(errors, dtype="str", index=table.frame.index)})
    stats = {
        "rows": float(len(jobs)), "failed": float(sum(map(bool, errors))), "resumed": float(resumed),
        "seconds": time.perf_counter() - start, **run.seconds,
    }  # fmt: skip
    embeddings = Embeddings(vectors, frame, record, model, stats)
    if parts is not None:
        embeddings.save(parts.out)
        parts.remove()
    return embeddings


def _pictures(source: Source, root: str | Path | None) -> tuple[tables.Table, Sequence[Picture] | None]:
    """The table of a source, and its pictures where they are not the table's files."""
    if isinstance(source, str | Path) and Path(source).suffix.lower() in SUFFIXES and not Path(source).is_dir():
        source = [source]
    if isinstance(source, str | Path | pd.DataFrame):
        return tables.read(source, "embed", root), None
    items = [source] if isinstance(source, Image.Image) else list(source)
    if not items:
        raise BadInput("there is no picture to embed; give at least one")
    names = [f"image {i}" if isinstance(item, Image.Image) else str(item) for i, item in enumerate(items)]
    base = Path(root or ".")
    pictures = [item if isinstance(item, Image.Image) else base / item for item in items]
    frame = pd.DataFrame({"path": pd.Series(names, dtype="str")})
    return tables.Table(frame, base, "the list"), pictures


def _record(model: Extractor, root: Path, precision: str) -> Record:
    facts: Any = model.weights
    known = None if model.changed else facts.entry.sha256
    return Record(
        model=facts.address,
        sha256=known or f"state:{state_digest(model.state_dict())}",
        dim=model.dim,
        preprocess=json.loads(json.dumps(asdict(facts.entry.preprocess))),
        normalized=model.normalize,
        precision=precision,
        root=str(root.resolve()),
    )


def _say_failures(errors: list[str], drawn: TerminalBar) -> None:
    failed = [error for error in errors if error]
    if failed:
        drawn.clear()
        said = f"{len(failed)} of {len(errors)} pictures could not be read and have no vector; the first: {failed[0]}"
        warnings.warn(said, OmlzooWarning, stacklevel=5)
