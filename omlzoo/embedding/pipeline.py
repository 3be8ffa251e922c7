"""The way from files to vectors. Each worker takes a batch the whole way, so decoding and model overlap."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.data.images import Box, to_rgb
from omlzoo.data.late_picture import LatePicture, Picture
from omlzoo.data.remarks import Remarks
from omlzoo.data.transforms import Transform
from omlzoo.embedding.columns import NOT_FINITE
from omlzoo.embedding.engines._engine import Engine
from omlzoo.embedding.hardware import cores, device_of, multiplies_bf16
from omlzoo.embedding.options import ENGINES, ComputeOptions
from omlzoo.errors import BadImage
from omlzoo.models._extractor import Extractor

__all__ = ["DEFAULT", "Picture", "Pipeline"]

STAGES = ("decode", "transform", "model", "write")  # what the threads spend their time with
DEFAULT = ComputeOptions()


@dataclass
class Pipeline:
    """A model as it computes, and the seconds that its threads spent.

    Attributes:
        model: On its device, in its precision.
        transform: Its preprocessing.
        options: How images are decoded and batched.
        precision: "fp32", "bf16" or "int8".
        device: Where the model is.
        engine: Computes the model: images (B, 3, H, W) float32 to vectors (B, dim).
        seconds: Of all threads together, by what they did: "decode", "transform", "model" and "write".
        remarks: What was seen of pictures that were read all the same.
    """

    model: Extractor
    transform: Transform
    options: ComputeOptions
    precision: Literal["fp32", "bf16", "int8"]
    device: torch.device
    engine: Engine
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    remarks: Remarks = field(default_factory=Remarks, repr=False)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    @staticmethod
    def of(model: Extractor, options: ComputeOptions = DEFAULT) -> "Pipeline":
        """The pipeline of a model with these options. The model is copied where it has to be moved or converted.

        Where precision or runtime are still "auto", they are what needs no rehearsal: bf16 where any model gains by it,
        and torch. :func:`omlzoo.embedding.choices.settled` decides them by one.

        Args:
            model: The extractor, which must have an entry.
            options: How images are decoded and the model computes.

        Raises:
            BadInput: There is no such device, or the engine does not compute there or in that precision.
            MissingExtra: The engine is not installed.
        """
        plain = "openvino" if options.precision == "int8" else "torch"
        runtime = plain if options.runtime == "auto" else options.runtime
        device = device_of(options.device, next(model.parameters()).device, on_cpu=runtime != "torch")
        precision = options.precision
        if precision == "auto":
            precision = "bf16" if runtime == "torch" and multiplies_bf16(device) else "fp32"
        transform = Transform(model.entry.preprocess)
        engine: Engine = catalog.find("embedding.engines", ENGINES[runtime])(model, precision, device)
        return Pipeline(getattr(engine, "model", model), transform, options, precision, device, engine)

    def batches(self, jobs: Sequence[tuple[Picture, Box | None]]) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Vectors and errors of each batch in order, computed ahead by the workers."""
        threads = max(1, min(self.options.workers or cores(), len(jobs)))
        size = self._batch(len(jobs), threads)
        yield from self._computed((jobs[i : i + size] for i in range(0, len(jobs), size)), threads, 2 * threads)

    def streamed(
        self, jobs: Iterable[tuple[Picture, Box | None]], count: int | None = None
    ) -> Iterator[tuple[np.ndarray, list[str]]]:
        """As :meth:`batches`, of pictures that come one after the other: only a batch for each worker is held.

        Args:
            jobs: The pictures and their boxes.
            count: How many there will be. Where it is not known, few pictures are in larger batches than those of a
                list, so that the last bits of their vectors may differ.
        """
        iterator, threads = iter(jobs), self.options.workers or cores()
        threads = threads if count is None else max(1, min(threads, count))
        size = self.options.batch_size if count is None else self._batch(count, threads)
        chunks = iter(lambda: list(islice(iterator, size)), [])
        yield from self._computed(chunks, threads, threads)

    def _batch(self, count: int, threads: int) -> int:
        """Pictures of a batch, so that the workers end together."""
        return min(self.options.batch_size, max(1, -(-count // (4 * threads))))

    def _computed(
        self, chunks: Iterable[Sequence[tuple[Picture, Box | None]]], threads: int, ahead: int
    ) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Vectors and errors of chunks in order, of which no more than ``ahead`` are at work or waiting at a time."""
        if self.device.type != "cpu":
            with _pool(threads) as pool:
                for chunk, (pixels, errors) in _in_order(pool, self.decode, chunks, ahead):
                    vectors = self.vectors(pixels)
                    yield vectors, _said(chunk, vectors, errors)
            return
        before = torch.get_num_threads()
        share = max(1, before // threads)
        try:
            with _pool(threads, lambda: torch.set_num_threads(share)) as pool:
                for _, found in _in_order(pool, lambda chunk: self.both(chunk), chunks, ahead):
                    yield found
        finally:
            torch.set_num_threads(before)

    def both(self, jobs: Sequence[tuple[Picture, Box | None]]) -> tuple[np.ndarray, list[str]]:
        """Vectors (B, dim) and errors of a batch, decoded and computed by this thread."""
        pixels, errors = self.decode(jobs)
        vectors = self.vectors(pixels)
        return vectors, _said(jobs, vectors, errors)

    def decode(self, jobs: Sequence[tuple[Picture, Box | None]]) -> tuple[list[Tensor | None], list[str]]:
        """The pictures as uint8 (3, H, W), None where one cannot be read, and the reasons, empty where it can."""
        start = time.perf_counter()
        transforming = 0.0
        least = self.transform.preprocess.resize if self.options.fast else None
        pixels: list[Tensor | None] = []
        errors: list[str] = []
        for picture, box in jobs:
            try:
                decoded = to_rgb(picture, box, least, self.options.icc, self.remarks)
                begun = time.perf_counter()
                pixels.append(self.transform.pixels(decoded))
                transforming += time.perf_counter() - begun
                errors.append("")
            except (BadImage, MemoryError) as error:
                pixels.append(None)
                errors.append(str(error) or f"{_name(picture)}: not enough memory")
        self._count("decode", start, transforming)
        return pixels, errors

    def vectors(self, pixels: Sequence[Tensor | None]) -> np.ndarray:
        """(B, dim) float32 of a batch; NaN where there is no picture, or where the model's numbers are not finite.

        A picture that is missing is computed as a black one, so that the others' last bits do not depend on it.
        """
        start = time.perf_counter()
        good = np.array([picture is not None for picture in pixels], dtype=bool)
        vectors = np.full((len(pixels), self.model.dim), np.nan, dtype=np.float32)
        if good.any():
            black = next(torch.zeros_like(picture) for picture in pixels if picture is not None)
            batch = torch.stack([black if picture is None else picture for picture in pixels])
            if self.device.type != "cpu":
                batch = batch.pin_memory().to(self.device, non_blocking=True)
            found = self.engine(self.transform.normalize(batch)).cpu().numpy()
            good &= np.isfinite(found).all(axis=1)
            vectors[good] = found[good]
        self._count("model", start)
        return vectors

    def _count(self, what: str, start: float, transforming: float = 0.0) -> None:
        with self.lock:
            self.seconds[what] += time.perf_counter() - start - transforming
            self.seconds["transform"] += transforming


def _said(jobs: Sequence[tuple[Picture, Box | None]], vectors: np.ndarray, errors: list[str]) -> list[str]:
    """The errors of a batch, with those of pictures that could be read and have no vector."""
    nothing = np.isnan(vectors[:, 0])
    if not nothing.any():
        return errors
    return [
        f"{_name(picture)}: {NOT_FINITE}" if missing and not error else error
        for (picture, _), missing, error in zip(jobs, nothing, errors, strict=True)
    ]


def _name(picture: Picture) -> str:
    return str(picture) if isinstance(picture, Path | LatePicture) else "a picture"


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Any], Any], chunks: Iterable[Any], ahead: int
) -> Iterator[tuple[Any, Any]]:
    """Each chunk and what the work makes of it, in order, with so many chunks ahead."""
    waiting: deque[tuple[Any, Future[Any]]] = deque()
    for chunk in chunks:
        if len(waiting) >= ahead:
            first, future = waiting.popleft()
            found = future.result()
            waiting.append((chunk, pool.submit(work, chunk)))
            yield first, found
        else:
            waiting.append((chunk, pool.submit(work, chunk)))
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result()


@contextmanager
def _pool(threads: int, first: Callable[[], None] | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool whose waiting work is dropped when the block is left early, by Ctrl-C for instance."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="omlzoo", initializer=first)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
