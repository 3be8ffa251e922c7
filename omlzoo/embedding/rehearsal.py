"""Rehearsals: a few pictures computed in several ways, in turn, to see which is fastest and still exact here.

What is found is kept in the package's own folder, for one model, processor and versions of the libraries.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from omlzoo.checkpoints import cache
from omlzoo.checkpoints.state_dict import state_digest
from omlzoo.embedding.hardware import processor
from omlzoo.errors import OmlzooError, notice
from omlzoo.files import new_file
from omlzoo.jsonio import build, read_json
from omlzoo.models._extractor import Extractor

__all__ = [
    "FEWEST",
    "Choice",
    "Rehearsed",
    "centred_cosine",
    "may_rehearse",
    "memory_of",
    "rehearse",
    "remember",
    "remembered",
    "weights_digest",
]

FEWEST = 64  # pictures for which a rehearsal is worth its time
ROUNDS = 2  # that are timed, after one that is not
LONGEST = 1.0  # seconds that a timed batch of the slowest way should take
GAIN = 1.25  # that another way must have
COSINE = 0.999  # that its vectors must have, their mean taken off, on average
LIBRARIES = ("torch", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Choice:
    """A way to compute a model.

    Attributes:
        runtime: "torch", "onnx" or "openvino".
        precision: "fp32", "bf16", or "int8", which is never rehearsed.
    """

    runtime: Literal["torch", "onnx", "openvino"]
    precision: Literal["fp32", "bf16", "int8"]

    def __str__(self) -> str:
        return f"{self.precision} by {self.runtime}"


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal found.

    Attributes:
        taken: The way that was chosen.
        gains: Of each way how many times as fast it was as the first.
        cosines: Of each way the mean cosine of its vectors to those of the first, the mean of those taken off.
    """

    taken: Choice
    gains: Mapping[str, float]
    cosines: Mapping[str, float]

    def __str__(self) -> str:
        tried = [f"{way} {gain:.2f} x, cosine {self.cosines[way]:.4f}" for way, gain in self.gains.items()]
        return f"{self.taken} is taken ({'; '.join(tried)})"


def may_rehearse(pictures: int) -> bool:
    """Whether so many pictures are worth a rehearsal. Under pytest none are: tests do not depend on the machine."""
    return pictures >= FEWEST and "PYTEST_CURRENT_TEST" not in os.environ


def weights_digest(model: Extractor) -> str:
    """The sha256 of the file of a model's weights, or "state:" and that of their values where they are in no file."""
    known = None if model.changed else model.entry.sha256
    return known or f"state:{state_digest(model.state_dict())}"


def remembered(path: Path) -> Choice | None:
    """The way that an earlier rehearsal took; None where there was none."""
    try:
        return build(Choice, read_json(path)["taken"], str(path))
    except (OmlzooError, KeyError, TypeError):
        return None


def rehearse(
    ways: Mapping[Choice, Callable[[Sequence[Tensor]], np.ndarray]], pixels: Sequence[Tensor], device: torch.device
) -> Rehearsed:
    """Compute pictures in several ways, in turn, and take the fastest that is near enough to the first.

    Args:
        ways: Functions from pictures to vectors (B, dim), the one that others are compared with first.
        pixels: At least two pictures.
        device: Where they compute: on a processor its own seconds are counted, so that other programs do not matter.
    """
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    vectors, seconds, slowest = {}, {way: float("inf") for way in ways}, 0.0
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # as each worker of a pipeline has where there are as many as cores
        for way, compute in ways.items():
            start = clock()
            vectors[way] = compute(pixels)
            slowest = max(slowest, clock() - start)
        some = pixels[: max(2, min(len(pixels), int(len(pixels) * LONGEST / max(slowest, 1e-9))))]
        for _ in range(ROUNDS):
            for way, compute in ways.items():
                start = clock()
                compute(some)
                seconds[way] = min(seconds[way], clock() - start)
    finally:
        torch.set_num_threads(threads)
    first = next(iter(ways))
    gains = {way: seconds[first] / max(seconds[way], 1e-9) for way in ways}
    cosines = {way: centred_cosine(vectors[way], vectors[first]) for way in ways}
    good = [way for way in ways if gains[way] >= GAIN and cosines[way] >= COSINE]
    taken = max(good, key=lambda way: gains[way], default=first)
    return Rehearsed(
        taken, {str(way): gain for way, gain in gains.items()}, {str(way): value for way, value in cosines.items()}
    )


def centred_cosine(vectors: np.ndarray, exact: np.ndarray) -> float:
    """The mean cosine of vectors (N, D) and exact ones, after the exact ones' mean is taken off both; NaN is 0.

    Where all pictures are much alike it is small, as rounding is large beside what tells them apart.

    Args:
        vectors: (N, D).
        exact: (N, D).
    """
    mean = exact.mean(axis=0, dtype=np.float64)
    ours, theirs = vectors - mean, exact - mean
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.nan_to_num((ours * theirs).sum(axis=1) / lengths).mean())


def remember(path: Path, found: Rehearsed) -> None:
    """Keep what a rehearsal found.

    Args:
        path: The file, by :func:`memory_of`.
        found: What it found.
    """
    try:
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        notice(f"{cache.home()} cannot be written ({error}), so each run rehearses anew; set OMLZOO_HOME")


def memory_of(model: Extractor, device: torch.device, question: Sequence[Any]) -> Path:
    """Where the result of a rehearsal is kept: one file for each model, processor, versions and question.

    Args:
        model: The extractor, which must have an entry.
        device: What computes it.
        question: Plain values by which rehearsals of one model on one device are told apart.
    """
    entry = model.entry
    facts: list[Any] = [
        processor(device), platform.python_version(), [_version(name) for name in LIBRARIES], weights_digest(model),
        entry.arch, entry.arch_args, entry.preprocess.crop, model.normalize, *question,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return cache.home() / "rehearsals" / f"{digest[:32]}.json"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
