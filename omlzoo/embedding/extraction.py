"""embed() and embed_shards(): a folder, a table or pictures to embeddings, a row for each."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.data import table as tables
from omlzoo.data.addresses import Named
from omlzoo.data.grid import check_grid, with_parts
from omlzoo.data.images import DECODER
from omlzoo.data.late_picture import Picture
from omlzoo.data.picture_list import Source, Stream, open_source, source_table
from omlzoo.data.preprocess import Profiles
from omlzoo.embedding.choices import settled_for
from omlzoo.embedding.columns import ERROR, check_names, error_column
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.failures import say_failures
from omlzoo.embedding.options import ComputeOptions, Precision, Runtime
from omlzoo.embedding.pipeline import DEFAULT, Pipeline
from omlzoo.embedding.quantization import VectorFormat
from omlzoo.embedding.record import Record
from omlzoo.embedding.replacement import PARTS, finished_file, shards_to_fill
from omlzoo.embedding.run_record import record_of
from omlzoo.embedding.shard_writer import fill_shards, say_decoder, take_values
from omlzoo.embedding.shards import Shards
from omlzoo.embedding.streaming import embed_stream
from omlzoo.errors import BadInput, notice
from omlzoo.models._extractor import Extractor
from omlzoo.progress import bar
from omlzoo.zoo.registry import open_model

__all__ = ["embed", "embed_shards", "embed_table", "record_of"]


def embed(
    model: Extractor | str | Path,
    source: Source,
    *,
    root: str | Path | None = None,
    out: str | Path | None = None,
    remote: Named = None,
    grid: int | None = None,
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    fast: bool = False,
    runtime: Runtime = "torch",
    icc: Profiles = "ignore",
    overwrite: bool = False,
    progress: bool = True,
) -> Embeddings:
    """Vectors of pictures, a row for each, in the order given.

    Args:
        model: An extractor, or what ``omlzoo.get_model`` opens.
        source: A folder, a table (csv, parquet, DataFrame), a zip or tar archive, a Parquet file with pictures' bytes,
            arrays or tensors (uint8), bytes, PIL images, a list or a generator of any of these, a dataset or loader of
            torch, or a dataset of Hugging Face (docs/sources.md).
        root: Where a table's relative paths start; its folder by default.
        out: A Parquet file to write. Parts are kept beside it while the run goes on, and an interrupted run that is
            started again continues.
        remote: Schemes and hosts of addresses in a table that are followed, such as "s3://shop-photos"; no others are.
            A source that is an address itself needs none.
        grid: Also embed grid x grid parts of each picture, 2 to 16, each overlapping its neighbour by half, as rows
            with a box: a search then finds what is somewhere in a picture, and where. A picture is decoded for each.
        batch_size: Pictures that go through the model at once.
        precision: "fp32", "bf16", or "auto": what vectors in ``out`` have already; else bf16 where a rehearsal with
            some of 64 pictures or more finds it at least 1.25 times as fast and as exact, which is said and kept.
            "int8": by OpenVINO, calibrated on some of 64 pictures or more, and refused where others differ much.
        workers: Threads; as many as there are cores by default.
        device: "cpu", "cuda", or "auto": the model's own, or a GPU if there is one.
        fast: Decode large JPEGs at a half, a quarter or an eighth of their size, never less than twice what the model
            takes: several times faster for photographs of a camera, and vectors that differ a little (docs/scale.md).
        runtime: "torch", or "onnx": ONNX Runtime, in float32 on the CPU, within 1e-4 of torch; faster for ResNets and
            slower for ViTs (docs/results.md). "openvino": OpenVINO on the CPU, the fastest in bf16. "auto": the fastest
            of those installed, by the same rehearsal. The first use of a model exports it, some seconds.
        icc: "ignore": levels are taken as they are, as the weights' authors do; "srgb": pictures with a colour profile
            that is not sRGB are converted to it.
        overwrite: Whether ``out`` is computed anew and replaced if it holds embeddings, also of another model or table,
            which is said. A file that is not ours never is.
        progress: Draw a bar where standard error is a terminal.

    Returns:
        Embeddings; the rows of pictures that cannot be read, or for which the model gives numbers that are not finite,
        have an error and a vector of NaN.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: There is no picture, a column has a name that is kept for ours, or ``out`` is a file of something
            else, or of other rows or settings and ``overwrite`` is False.
    """
    options = ComputeOptions(batch_size, precision, workers, device, fast, runtime, icc)
    check_grid(grid)
    extractor = open_model(model)
    opened = open_source(source, root, remote=remote)
    if isinstance(opened, Stream):
        _check_named(out, named=False)
        if grid is not None:
            raise BadInput("grid takes pictures that can be read twice, for their size first; a stream is read once")
        return embed_stream(extractor, opened, options=options, progress=progress)
    table, pictures = opened if grid is None else with_parts(*opened, grid)
    return embed_table(extractor, table, pictures, options=options, out=out, overwrite=overwrite, progress=progress)


def embed_shards(
    model: Extractor | str | Path,
    source: str | Path | pd.DataFrame,
    out: str | Path,
    *,
    root: str | Path | None = None,
    form: VectorFormat = "float32",
    prune: bool = False,
    remote: Named = None,
    grid: int | None = None,
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    fast: bool = False,
    runtime: Runtime = "torch",
    icc: Profiles = "ignore",
    overwrite: bool = False,
    progress: bool = True,
) -> Shards:
    """As :func:`embed`, into a folder that grows: pictures that it has are not computed again.

    Only the vectors of one file are in memory at a time, however many pictures there are.

    Args:
        model: An extractor, or what ``omlzoo.get_model`` opens.
        source: A folder, a table (csv, parquet, DataFrame), a zip or tar archive, or a Parquet file with bytes.
        out: The folder. Another run with the same model and settings adds what is new or changed; a killed one loses at
            most the file that it was at.
        root: Where a table's relative paths start; its folder by default.
        form: Form of the vectors on disk: "float32", "float16" or "int8".
        prune: Take out the rows of pictures that the source does not have.
        remote: As in :func:`embed`.
        grid: As in :func:`embed`.
        batch_size: As in :func:`embed`, like the arguments below.
        precision: "fp32", "bf16", "int8" or "auto".
        workers: Threads.
        device: "cpu", "cuda", or "auto".
        fast: Decode large JPEGs at a smaller size.
        runtime: "torch", "onnx", "openvino" or "auto".
        icc: "ignore" or "srgb".
        overwrite: Whether the vectors that the folder holds are replaced, whatever their model and settings are, which
            is said. The new ones count once all are there; until then the old ones do. What is not ours stays.
        progress: Draw a bar where standard error is a terminal.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: The folder holds something else, a damaged file, or vectors of another model or other settings and
            ``overwrite`` is False; or a column of the table has a name that is kept for ours.
    """
    options = ComputeOptions(batch_size, precision, workers, device, fast, runtime, icc)
    check_grid(grid)
    table, pictures = source_table(source, root, remote)
    _check_named(out, pictures is None)
    if grid is not None:
        table, _ = with_parts(table, None, grid)
    check_names(table.frame, table.name)
    extractor = open_model(model)
    _say(table)
    options = settled_for(extractor, table, options, out, overwrite)
    run = Pipeline.of(extractor, options)
    with shards_to_fill(out, record_of(extractor, table.root, run), form, overwrite) as shards:
        say_decoder(shards, DECODER)
        fill_shards(shards, table, run, progress)
        take_values(shards, table)
        if prune or overwrite:
            gone = shards.prune(table)
            if gone:
                notice(f"{gone} pictures are not in {table.name} any more; removed")
    return Shards.open(out)


def embed_table(
    model: Extractor,
    table: tables.Table,
    pictures: Sequence[Picture] | None = None,
    *,
    options: ComputeOptions = DEFAULT,
    run: Pipeline | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Embeddings:
    """As :func:`embed`, of a table that was read already.

    Args:
        model: The extractor, which must have an entry.
        table: A row for each picture.
        pictures: Files or images, one for each row, that are embedded in place of the table's files. None, the default,
            takes the table's files.
        options: How the model computes.
        run: The pipeline of the model, where it was made already; ``options`` is then ignored.
        out: As in :func:`embed`.
        overwrite: As in :func:`embed`.
        progress: Draw a bar where standard error is a terminal.

    Raises:
        BadInput: As in :func:`embed`.
    """
    _say(table)
    check_names(table.frame, table.name)
    start = time.perf_counter()
    run = run or Pipeline.of(model, settled_for(model, table, options, out, overwrite, pictures))
    record = record_of(model, table.root, run)
    resumed = 0
    if out is None:
        vectors, errors = _compute(run, table, pictures, progress)
    else:
        _check_named(out, all(isinstance(picture, Path) for picture in pictures or ()))
        record = replace(record, rows=_digest(record, table))
        finished = finished_file(Path(out), record, overwrite)
        if finished is not None:
            message = f"{out} was finished already; it was read, and nothing was computed"
            notice(message)
            return finished
        parts = Shards.temporary(Path(out).with_name(f"{Path(out).name}{PARTS}"), record)
        with parts.lock():
            resumed = fill_shards(parts, table, run, progress)
            vectors, errors = parts.of(table)
    frame = table.frame.assign(**{ERROR: error_column(errors, table.frame.index)})
    stats = {
        "rows": float(len(table)), "failed": float(sum(map(bool, errors))), "resumed": float(resumed),
        "seconds": time.perf_counter() - start, **run.seconds,
    }  # fmt: skip
    embeddings = Embeddings(vectors, frame, record, model, stats)
    if out is not None:
        embeddings.save(out)
        parts.delete()
    return embeddings


def _check_named(out: str | Path | None, named: bool) -> None:
    if out is not None and not named:
        raise BadInput("out is for pictures in files; embed what is in memory without it and call save on the result")


def _compute(
    run: Pipeline, table: tables.Table, pictures: Sequence[Picture] | None, progress: bool
) -> tuple[np.ndarray, list[str]]:
    """Vectors (N, dim) and errors of all rows, in memory."""
    jobs = list(zip(pictures or table.pictures(), table.boxes(), strict=True))
    vectors, errors = np.full((len(jobs), run.model.dim), np.nan, dtype=np.float32), [""] * len(jobs)
    with bar(len(jobs), "embed", "picture", progress) as progress_bar:
        done = 0
        for batch_vectors, batch_errors in run.batches(jobs):
            vectors[done : done + len(batch_errors)], errors[done : done + len(batch_errors)] = (
                batch_vectors,
                batch_errors,
            )
            done += len(batch_errors)
            progress_bar.update(len(batch_errors))
        say_failures(errors, progress_bar)
    run.remarks.say()
    return vectors, errors


def _digest(record: Record, table: tables.Table) -> str:
    """sha256 of the settings, the rows, and the sizes and times of change of their files."""
    key = hashlib.sha256(record.without_decoder().encode())
    key.update(table.frame.to_csv().encode())
    key.update(Shards.sizes(table).tobytes())
    return key.hexdigest()


def _say(table: tables.Table) -> None:
    for text in table.notices:
        notice(text)
