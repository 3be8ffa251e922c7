"""Embedding on many machines: Ray Data hands the files of a folder of shards to workers that write them themselves."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from omlzoo import catalog
from omlzoo.data import table as tables
from omlzoo.data.images import DECODER
from omlzoo.data.preprocess import Profiles
from omlzoo.data.remarks import Remarks
from omlzoo.embedding.choices import settled_for
from omlzoo.embedding.columns import check_writable
from omlzoo.embedding.extraction import record_of
from omlzoo.embedding.options import ComputeOptions, Precision, Runtime
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.quantization import VectorFormat
from omlzoo.embedding.replacement import shards_to_fill
from omlzoo.embedding.shard_writer import embed_part, say_decoder, take_values
from omlzoo.embedding.shards import ROWS, Shards
from omlzoo.errors import BadInput, notice
from omlzoo.zoo.registry import get_model, open_model
from omlzoo.zoo.trusting import trusted_packages

__all__ = ["embed_on_ray", "ray_started"]

CONNECTING = threading.Lock()
BLOCKS: list[int] = []  # how many blocks have the connection that was made here; empty where there is none


class _Worker:
    """Opens the model once and computes files."""

    def __init__(self, model: str, folder: str, root: str, options: dict[str, Any], trust: tuple[str, ...]) -> None:
        self.shards, self.root = Shards.open(folder), Path(root)
        self.run = Pipeline.of(get_model(model, trust=trust), ComputeOptions(**options))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        failed = []
        for number, frame in zip(batch["number"], batch["frame"], strict=True):
            part = tables.Table(pd.read_parquet(io.BytesIO(frame)), self.root, f"file {number}")
            errors = embed_part(self.shards, part, self.run, number=int(number))
            failed.append(sum(map(bool, errors)))
        seen = self.run.remarks
        self.run.remarks = Remarks()
        return {
            "number": batch["number"],
            "failed": failed,
            "seen": [json.dumps([seen.counts, seen.first])] * len(failed),
        }


def embed_on_ray(
    model: str | Path,
    source: str | Path | pd.DataFrame,
    out: str | Path,
    *,
    workers: int = 1,
    cpus: float = 1.0,
    gpus: float = 0.0,
    address: str | None = None,
    root: str | Path | None = None,
    form: VectorFormat = "float32",
    rows: int = ROWS,
    batch_size: int = 32,
    precision: Precision = "fp32",
    device: str = "auto",
    fast: bool = False,
    runtime: Runtime = "torch",
    icc: Profiles = "ignore",
    overwrite: bool = False,
) -> Shards:
    """As ``embed_shards``, by workers of a Ray cluster, all of which see ``out`` and the pictures under the same paths.

    A file of rows is one task. Its number is given out before, so that a task that Ray repeats, because its worker or
    machine went away, writes the same file again: nothing is doubled. A run that is started again computes what is
    missing.

    Args:
        model: A name that every worker can open: a checkpoint, a folder all see, or ``hf-hub:org/repo``.
        source: A folder or a table.
        out: The folder of shards.
        workers: Number of workers.
        cpus: Processors of each worker; together fewer than the cluster has, as reading needs one too.
        gpus: GPUs of each worker.
        address: Address of the cluster; by default RAY_ADDRESS, or a cluster of this machine alone that ends with the
            run.
        root: Where a table's relative paths start; its folder by default.
        form: Form of the vectors on disk: "float32", "float16" or "int8".
        rows: Rows of a file.
        batch_size: As in ``embed``, like the arguments below.
        precision: "fp32", "bf16", or "auto", which this machine decides for all.
        device: "cpu", "cuda" or "auto".
        fast: Decode large JPEGs at a smaller size.
        runtime: "torch", "onnx", "openvino" or "auto".
        icc: "ignore" or "srgb".
        overwrite: As in ``embed_shards``.

    Raises:
        BadTable: The table has faults.
        BadInput: The workers want all processors, or the folder has other settings.
        MissingExtra: Ray is not installed.
    """
    catalog.optional("ray.data", "ray")
    for name, value in (("workers", workers), ("rows", rows)):
        if value < 1:
            raise BadInput(f"{name} is {value}; it must be at least 1")
    options = ComputeOptions(batch_size, precision, max(1, int(cpus)), device, fast, runtime, icc)
    table = tables.read(source, "embed", root)
    check_writable(table.frame, table.name)
    for text in table.notices:
        notice(text)
    extractor = open_model(model)
    options = settled_for(extractor, table, options, out, overwrite)  # once, for all workers
    record = record_of(extractor, table.root, Pipeline.of(extractor, options))
    if not overwrite:
        Shards.open(out, record, form)  # refused before Ray is started
    with ray_started(address) as ray:
        _check_processors(ray, workers, cpus)
        with shards_to_fill(out, record, form, overwrite) as shards:
            say_decoder(shards, DECODER)
            missing = shards.missing(table)
            first = shards.following()
            tasks = [
                {
                    "number": first + number,
                    "frame": table.frame.iloc[missing[start : start + rows]].to_parquet(index=False),
                }
                for number, start in enumerate(range(0, len(missing), rows))
            ]
            failed = _compute(tasks, str(model), shards, table.root, options, workers, cpus, gpus) if tasks else 0
            take_values(shards, table)
            if overwrite:
                shards.prune(table)
    if failed:
        notice(f"{failed} of {len(missing)} pictures have no vector (column error says why)")
    return Shards.open(out)


@contextmanager
def ray_started(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster; a connection that is made here ends with the last block that has it.

    Args:
        address: Address of the cluster; by default RAY_ADDRESS, or a cluster of this machine alone that ends too.

    Raises:
        MissingExtra: Ray is not installed.
    """
    ray = catalog.optional("ray", "ray")
    with CONNECTING:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
            BLOCKS.clear()
            BLOCKS.append(0)
        if BLOCKS:
            BLOCKS[0] += 1
    try:
        yield ray
    finally:
        with CONNECTING:
            if BLOCKS:
                BLOCKS[0] -= 1
            if BLOCKS == [0]:
                BLOCKS.clear()
                ray.shutdown()


def _check_processors(ray: Any, workers: int, cpus: float) -> None:
    whole = ray.cluster_resources().get("CPU", 0.0)
    if workers * cpus >= whole:
        raise BadInput(
            f"{workers} workers of {cpus:g} processors are all of the cluster's {whole:g}, and reading needs some: "
            "Ray would wait for ever; give fewer workers or cpus"
        )


def _compute(
    tasks: list[dict[str, Any]], model: str, shards: Shards, root: Path, options: ComputeOptions,
    workers: int, cpus: float, gpus: float,
) -> int:  # fmt: skip
    """Run the tasks; returns how many pictures could not be read."""
    ray: Any = import_module("ray")
    ray.data.DataContext.get_current().enable_progress_bars = False
    results = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
        _Worker,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(tasks))),
        fn_constructor_args=(
            str(model),
            str(shards.folder.resolve()),
            str(root.resolve()),
            asdict(options),
            trusted_packages(),
        ),
        num_cpus=cpus,
        num_gpus=gpus or None,
    )
    rows, remarks = results.take_all(), Remarks()
    for row in rows:
        counts, first = json.loads(row["seen"])
        for kind, count in counts.items():
            remarks.add(kind, first[kind], count)
    remarks.say()
    return sum(int(row["failed"]) for row in rows)
