"""What a training picture takes to load and augment for the small ResNet at 64 pixels, beside its share of a step.

Photographs of 12 megapixels and of 500 x 500, decoded whole, reduced (decode = "fast") and kept on disk from the first
epoch on. Processor seconds of one thread, everything in turn in one run. Limit: kept, below the step.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measuring import Results, arguments, in_turn
from PIL import Image

from omlzoo import catalog
from omlzoo.data.augmentations import augmentation, needed_side
from omlzoo.data.dataset import ImageTable
from omlzoo.data.decoded_cache import DecodedCache
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.losses import SupConLoss
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.training_model import TrainingModel

SIDE = 64
SMALL = Preprocess((72, 72), "cover", (SIDE, SIDE), "bilinear", True, None, (0.5,) * 3, (0.25,) * 3)
PHOTOGRAPHS = {"12 megapixels": (4000, 3000, 6), "500 x 500": (500, 500, 24)}
BATCH = 72


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


def pictures(runs: int, results: Results) -> None:
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
        for way, took in each.items():
            results.add(f"a training picture of {name}, {way}, small ResNet at {SIDE} pixels", took, "ms",
                        peer=each["whole"], peer_name="decoded whole", limit=step, kept_kb=size / 1000)  # fmt: skip


if __name__ == "__main__":
    args = arguments(__doc__)
    torch.set_num_threads(1)
    results = Results("training_pictures")
    pictures(args.size or 5, results)
    results.write()
