"""Training steps and training pictures, in processor seconds of one thread, everything in turn in one run.

    .venv/bin/python benchmarks/training.py                                      # pictures
    PYTHONPATH=. PYTHON_WITH_OML benchmarks/training.py --what steps --size 8    # steps, beside OML in the same process

Steps: ViT-S/16, hard triplets, AdamW, beside OML's loop in float32 and in its bf16 autocast; whole, with ten of twelve
blocks frozen, and with their outputs cached. The Python needs open-metric-learning 4.0.0 for the peer's rows; see
benchmarks/README.md. Limits: float32 1.15 x OML's, bf16 no slower than OML's bf16.

Pictures: what a picture takes to load and augment for the small ResNet at 64 pixels, beside what the step takes for it:
photographs of 12 megapixels and of 500 x 500, decoded whole, reduced, and kept. Limit: kept, below the step.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from measuring import arguments, show
from PIL import Image

from omlzoo import catalog
from omlzoo.data.augmentations import augmentation, needed_side
from omlzoo.data.dataset import ImageTable
from omlzoo.data.decoded_cache import DecodedCache
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.losses import SupConLoss, TripletLoss
from omlzoo.models.vit import vits16
from omlzoo.training.freezing import freeze
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.training_model import TrainingModel

SIDE = 64
SMALL = Preprocess((72, 72), "cover", (SIDE, SIDE), "bilinear", True, None, (0.5,) * 3, (0.25,) * 3)
PHOTOGRAPHS = {"12 megapixels": (4000, 3000, 6), "500 x 500": (500, 500, 24)}
BATCH = 72  # of the small ResNet


def in_turn(cases: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median processor seconds of each case, all of them once in every run, after one that does not count."""
    took: dict[str, list[float]] = {name: [] for name in cases}
    for run in range(runs + 1):
        for name, call in cases.items():
            start = time.process_time()
            call()
            if run:
                took[name].append(time.process_time() - start)
    return {name: median(values) for name, values in took.items()}


def ours(size: int, precision: str, frozen: int = 0, cached: bool = False) -> Callable[[], Any]:
    torch.manual_seed(0)
    model = vits16().train()
    if precision == "bf16" and importlib.util.find_spec("omlzoo.models._attention"):
        catalog.shared("models._attention", "explicit_in_bf16")(model)
    for part in freeze(model, frozen):
        part.eval()
    trained = TrainingModel(model, stage=frozen * cached)
    work = Optimization(trained, Supervised(TripletLoss(0.2)), Recipe(lr=1e-5), 100, precision)
    images, labels = torch.randn(size, 3, 224, 224), torch.arange(size) // 4
    if cached:
        with torch.no_grad():
            images = model.until(images, frozen)
    return lambda: work.batch([images], labels, torch.arange(size), str)


def theirs(size: int, half: bool) -> Callable[[], Any]:
    """The loop of OML's documentation."""
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_hard_tri import HardTripletsMiner
    from oml.models import ViTExtractor

    torch.manual_seed(0)
    model = ViTExtractor(weights=None, arch="vits16", normalise_features=False).train()
    loss = TripletLossWithMiner(margin=0.2, miner=HardTripletsMiner())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    images, labels = torch.randn(size, 3, 224, 224), torch.arange(size) // 4

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            value = loss(model(images).float(), labels)
        value.backward()
        optimizer.step()

    return step


def steps(size: int, runs: int) -> None:
    has_peer = importlib.util.find_spec("oml") is not None
    cases: dict[str, Callable[[], Any]] = {}
    for precision in ("fp32", "bf16"):
        if has_peer:
            cases[f"OML {precision}"] = theirs(size, precision == "bf16")
        cases |= {
            precision: ours(size, precision),
            f"{precision}, ten blocks frozen": ours(size, precision, 11),
            f"{precision}, their outputs cached": ours(size, precision, 11, cached=True),
        }
    found = in_turn(cases, runs)
    for name, seconds in found.items():
        peer = found.get(f"OML {name[:4]}")
        if not name.startswith("OML"):
            show(f"step of ViT-S/16, batch {size}, {name}", processor_seconds=seconds, oml_seconds=peer,
                 times_oml_in_that_precision=peer and peer / seconds)  # fmt: skip


def photographs(folder: Path, width: int, height: int, count: int) -> Table:
    """JPEGs of smooth shapes with the grain of a sensor; at 12 megapixels 5 MB each."""
    rows = []
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((width, height), 3)
        grain = random.normal(0, 6, (height, width, 1)).astype(np.float32)
        levels = (np.asarray(coarse, np.float32) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{width}_{number}.jpg", quality=92)
        rows.append({"path": f"{width}_{number}.jpg", "label": number % 2})
    return Table(pd.DataFrame(rows), folder, "photographs")


@contextmanager
def kept(data: ImageTable, folder: Path) -> Iterator[ImageTable]:
    data.kept = DecodedCache(folder / "kept", len(data), 10**9)
    data.kept.begin()
    yield data
    data.kept.remove()


def pictures(runs: int) -> None:
    model = catalog.find("models", "resnet_small")().train().to(memory_format=torch.channels_last)
    work = Optimization(TrainingModel(model), Supervised(SupConLoss()), Recipe(lr=1e-3), 100, "fp32")
    images = torch.randn(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    labels, normal = torch.arange(BATCH) // 6, Transform(SMALL)
    augment, side = augmentation("photo", SMALL), needed_side("photo", SMALL)

    def read(data: ImageTable) -> Callable[[], Any]:
        return lambda: [normal.normalize(data[row, row][0]) for row in range(len(data))]

    for name, (width, height, count) in PHOTOGRAPHS.items():
        with tempfile.TemporaryDirectory() as folder:
            rows = photographs(Path(folder), width, height, count)
            with kept(ImageTable(rows, augment, side), Path(folder)) as data:
                found = in_turn(
                    {
                        "step": lambda: work.batch([images], labels, torch.arange(BATCH), str),
                        "whole": read(ImageTable(rows, augment)),
                        "reduced": read(ImageTable(rows, augment, side)),
                        "kept": read(data),
                    },
                    runs,
                )
                size = data.kept.size / len(data) if data.kept else 0
        step = 1000 * found["step"] / BATCH
        each = {way: 1000 * found[way] / count for way in ("whole", "reduced", "kept")}
        show(f"a training picture of {name}, small ResNet at {SIDE} pixels", step_ms=step,
             **{f"{way}_ms": took for way, took in each.items()}, kept_kb=size / 1000,
             **{f"{way}_over_step": took / step for way, took in each.items()},
             times_whole={way: round(each["whole"] / each[way], 2) for way in ("reduced", "kept")})  # fmt: skip


if __name__ == "__main__":
    args = arguments(__doc__, what=["pictures", "steps", "all"])
    torch.set_num_threads(1)
    if args.what != "steps":
        pictures(5)
    if args.what != "pictures":
        steps(args.size or 8, 3)
