"""The way from files to vectors. Each worker takes a batch the whole way, so decoding and model overlap."""

import copy
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from omlzoo.data.images import Box, to_rgb
from omlzoo.data.transforms import Transform
from omlzoo.errors import BadImage, BadInput
from omlzoo.models._extractor import Extractor

__all__ = ["Picture", "Pipeline", "Precision", "multiplies_bf16"]

Precision = Literal["auto", "fp32", "bf16"]
Picture = Path | Image.Image


@dataclass
class Pipeline:
    """The model as it computes, and the seconds that its threads spent."""

    model: Extractor
    transform: Transform
    precision: str
    device: torch.device
    seconds: dict[str, float]
    lock: Any
    fast: bool = False
    engine: Callable[[Tensor], Tensor] | None = None

    @staticmethod
    def of(
        model: Extractor,
        precision: Precision,
        device: str,
        fast: bool = False,
        engine: Callable[[Tensor], Tensor] | None = None,
    ) -> "Pipeline":
        """The model on that device in that precision, or computed by ``engine``, in float32 on the CPU."""
        own = next(model.parameters()).device
        if device == "auto":
            chosen = own if own.type != "cpu" or not torch.cuda.is_available() else torch.device("cuda")
        else:
            chosen = _device(device)
        if precision not in ("auto", "fp32", "bf16"):
            raise BadInput(f"precision is {precision!r}; it must be auto, fp32 or bf16")
        half = precision == "bf16" or (precision == "auto" and engine is None and multiplies_bf16(chosen))
        if engine is not None and (half or chosen.type != "cpu"):
            raise BadInput(f"another engine computes in fp32 on the CPU; precision is {precision!r}, device {chosen}")
        kind = torch.bfloat16 if half else torch.float32
        used = model
        if half or chosen != own or model.training or (engine is None and _convolves(model)):
            used = copy.deepcopy(model).eval().to(chosen, kind).to(memory_format=torch.channels_last)
        transform = Transform(model.entry.preprocess)
        seconds = {"decode": 0.0, "transform": 0.0, "model": 0.0, "write": 0.0}
        return Pipeline(used, transform, "bf16" if half else "fp32", chosen, seconds, threading.Lock(), fast, engine)

    def batches(
        self, jobs: Sequence[tuple[Picture, Box | None]], size: int, workers: int | None
    ) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Vectors and errors of each batch in order, computed ahead by the workers."""
        threads = max(1, min(workers or _cores(), len(jobs)))
        size = min(size, max(1, -(-len(jobs) // (4 * threads))))  # so that the workers end together
        chunks = [jobs[i : i + size] for i in range(0, len(jobs), size)]
        if self.device.type != "cpu":
            with _pool(threads) as pool:
                ahead = deque(pool.submit(self.decode, chunk) for chunk in chunks[: 2 * threads])
                for following in range(2 * threads, len(chunks) + 2 * threads):  # no more pictures in memory than that
                    if not ahead:
                        break
                    pixels, errors = ahead.popleft().result()
                    if following < len(chunks):
                        ahead.append(pool.submit(self.decode, chunks[following]))
                    yield self.vectors(pixels), errors
            return
        before = torch.get_num_threads()
        share = max(1, before // threads)
        try:
            with _pool(threads, lambda: torch.set_num_threads(share)) as pool:
                yield from pool.map(lambda chunk: self.both(chunk), chunks)
        finally:
            torch.set_num_threads(before)

    def both(self, jobs: Sequence[tuple[Picture, Box | None]]) -> tuple[np.ndarray, list[str]]:
        pixels, errors = self.decode(jobs)
        return self.vectors(pixels), errors

    def decode(self, jobs: Sequence[tuple[Picture, Box | None]]) -> tuple[list[Tensor | None], list[str]]:
        """uint8 pictures (3, H, W), None where one cannot be read, and why."""
        start = time.perf_counter()
        transforming = 0.0
        least = self.transform.preprocess.resize if self.fast else None
        pixels: list[Tensor | None] = []
        errors: list[str] = []
        for picture, box in jobs:
            try:
                decoded = to_rgb(picture, box, least)
                begun = time.perf_counter()
                pixels.append(self.transform.pixels(decoded))
                transforming += time.perf_counter() - begun
                errors.append("")
            except (BadImage, MemoryError) as error:
                pixels.append(None)
                errors.append(str(error) or f"{picture}: not enough memory")
        self._count("decode", start, transforming)
        return pixels, errors

    def vectors(self, pixels: Sequence[Tensor | None]) -> np.ndarray:
        """(B, dim) float32 of a batch; NaN where there is no picture."""
        start = time.perf_counter()
        good = [i for i, picture in enumerate(pixels) if picture is not None]
        found = np.full((len(pixels), self.model.dim), np.nan, dtype=np.float32)
        if good:
            batch = torch.stack([picture for picture in pixels if picture is not None])
            if self.device.type != "cpu":
                batch = batch.pin_memory().to(self.device, non_blocking=True)
            kind = next(self.model.parameters()).dtype
            images = self.transform.normalize(batch).to(kind, memory_format=torch.channels_last)
            found[good] = self._embeddings(images).cpu().numpy()
        self._count("model", start)
        return found

    def _embeddings(self, images: Tensor) -> Tensor:
        if self.engine is not None:
            return self.engine(images)
        with torch.inference_mode():
            vectors = self.model.embed(images)["embedding"].float()
            return nn.functional.normalize(vectors) if self.model.normalize else vectors

    def _count(self, what: str, start: float, transforming: float = 0.0) -> None:
        with self.lock:
            self.seconds[what] += time.perf_counter() - start - transforming
            self.seconds["transform"] += transforming


def _convolves(model: nn.Module) -> bool:
    """Whether most of it is convolutions, which are faster where colours lie together."""
    numbers = [(parameter.numel(), parameter.ndim) for parameter in model.parameters()]
    return 2 * sum(count for count, ndim in numbers if ndim == 4) > sum(count for count, _ in numbers)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"device is {name!r}; it must be auto, cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"device is {name!r}, but torch sees no GPU here; use cpu or auto")
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16: a GPU that does, or a CPU with AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _pool(threads: int, first: Callable[[], None] | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool whose waiting work is dropped when the block is left early, by Ctrl-C for instance."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="omlzoo", initializer=first)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
