"""Steps of learning without labels beside a plain loop of Lightly, in processor seconds of one thread, in turn.

    python benchmarks/pretraining.py [--size BATCH] [--large]     with --large ViT-S/16 and 224 pixels too

SimCLR, BYOL, MoCo (second version) and DINO (two views of the whole, six of parts) of equal bodies, views and heads'
widths, AdamW, float32. Limit: 1.15 x Lightly's loop. Below it what drawing the views of a batch costs beside the step,
at most 15 %, and the memory of SimCLR with 4,096 pictures in chunks beside 256 whole, at most 1.5 x.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightly.loss import DINOLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import update_momentum
from measuring import Results, arguments, forget_peak, in_turn, memory, seconds
from PIL import Image
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.views import Views
from omlzoo.models.vit import vits16
from omlzoo.training.objective import OverViews
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.teacher import Teacher
from omlzoo.training.training_model import TrainingModel

HIDDEN, DIM, PROTOTYPES, QUEUE, LOCALS = 512, 128, 1024, 1024, 6


def body(name: str, side: int) -> Any:
    """A body with random weights."""
    torch.manual_seed(0)
    return vits16(image_size=side) if name == "vits16" else catalog.find("models", "resnet18")()


def drawn(size: int, side: int, objective: str) -> list[Tensor]:
    """Random views of a batch."""
    small = side // 7 * 3 // 16 * 16 or 16
    sides = [side, side, *[small] * (LOCALS if objective == "DINO" else 0)]
    return [torch.randn(size, 3, each, each) for each in sides]


def ours(name: str, objective: str, size: int, side: int, chunk: int = 0) -> Callable[[], Any]:
    """A step of our loop."""
    settings: dict[str, dict[str, Any]] = {
        "SimCLR": {"temperature": 0.2}, "BYOL": {}, "MoCo": {"queue": QUEUE},
        "DINO": {"prototypes": PROTOTYPES},
    }  # fmt: skip
    model = body(name, side).train().to(memory_format=torch.channels_last)
    made = catalog.find("objectives", objective)(model.dim, **settings[objective])
    trained = TrainingModel(model, made.make_projector())
    teacher = Teacher(trained, made.momentum, 1000, made.constant_momentum) if made.teacher else None
    work = Optimization(trained, OverViews(made), Recipe(lr=1e-3, chunk=chunk), 1000, "fp32", teacher)
    views, ids = drawn(size, side, objective), torch.arange(size)
    views = [view.contiguous(memory_format=torch.channels_last) for view in views]
    return lambda: work.batch(views, ids, ids, str)


def lightlys(name: str, objective: str, size: int, side: int) -> Callable[[], Any]:
    """A step of the loop of Lightly's documentation."""
    views, width = drawn(size, side, objective), body(name, side).dim
    heads = {
        "SimCLR": lambda: SimCLRProjectionHead(width, HIDDEN, DIM),
        "BYOL": lambda: BYOLProjectionHead(width, 4096, 256),
        "MoCo": lambda: MoCoProjectionHead(width, width, DIM),
        "DINO": lambda: DINOProjectionHead(width, 2048, 256, PROTOTYPES, freeze_last_layer=1),
    }  # fmt: skip
    student, teacher = (nn.Sequential(body(name, side).train(), heads[objective]()) for _ in range(2))
    teacher.requires_grad_(False)
    predictor = BYOLPredictionHead(256, 4096, 256) if objective == "BYOL" else nn.Identity()
    losses = {
        "SimCLR": lambda: NTXentLoss(0.2), "BYOL": NegativeCosineSimilarity,
        "MoCo": lambda: NTXentLoss(0.2, memory_bank_size=(QUEUE, DIM)), "DINO": lambda: DINOLoss(PROTOTYPES),
    }  # fmt: skip
    loss: Any = losses[objective]()
    optimizer = torch.optim.AdamW([*student.parameters(), *predictor.parameters()], lr=1e-3)

    def value() -> Tensor:
        if objective == "SimCLR":
            return loss(student(views[0]), student(views[1]))
        update_momentum(student, teacher, m=0.996)
        if objective == "MoCo":
            with torch.no_grad():
                keys = teacher(views[0])
            return loss(student(views[1]), keys)
        with torch.no_grad():
            seen = [teacher(view) for view in views[:2]]
        if objective == "BYOL":
            one, two = (predictor(student(view)) for view in views)
            return 0.5 * (loss(one, seen[1]) + loss(two, seen[0]))
        return loss(seen, [student(view) for view in views], epoch=0)

    def step() -> None:
        optimizer.zero_grad()
        value().backward()
        optimizer.step()

    return step


def steps(results: Results, name: str, side: int, size: int, runs: int) -> None:
    """Each method's step beside Lightly's."""
    for objective in ("SimCLR", "BYOL", "MoCo", "DINO"):
        if name == "vits16" and side == 64 and objective == "DINO":
            continue  # parts of 64 pixels have too few patches of 16
        found = in_turn(
            {"ours": ours(name, objective, size, side), "Lightly": lightlys(name, objective, size, side)}, runs
        )
        results.add(f"{objective}, {name} at {side} pixels, batch {size}", found["ours"], "processor s",
                    peer=found["Lightly"], peer_name="Lightly's loop", limit=found["Lightly"] / 1.15)  # fmt: skip


def views_beside(results: Results, side: int, size: int) -> None:
    """Drawing two views of a batch of photographs of 256 pixels beside a step of ResNet-18."""
    pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (256, 256, 3), np.uint8)) for n in range(8)]
    make = Views(Preprocess(resize=side, crop=(side, side)), "mild")
    one = seconds(lambda: [make(pictures[number % 8]) for number in range(size)], 3, clock=time.process_time)
    step = seconds(ours("resnet18", "SimCLR", size, side), 3, clock=time.process_time)
    results.add(f"mild views of a batch of {size} at {side} pixels", one, "processor s", limit=0.15 * (step + one),
                step_seconds=step)  # fmt: skip


def chunks(results: Results) -> None:
    """Peak memory of SimCLR above what is there, 4,096 pictures in chunks beside 256 at once."""
    peaks = {}
    for size, chunk in ((256, 0), (4096, 256)):
        step = ours("resnet18", "SimCLR", size, 32, chunk)
        step()
        forget_peak()
        before = memory()
        step()
        peaks[size] = memory("VmHWM") - before
    results.add("peak of a step of 4,096 pictures of 32 pixels in chunks of 256", peaks[4096], "MB", peer=peaks[256],
                peer_name="256 at once", limit=1.5 * peaks[256])  # fmt: skip


if __name__ == "__main__":
    args = arguments(__doc__)
    torch.set_num_threads(1)
    results = Results("pretraining")
    steps(results, "resnet18", 64, args.size or 64, 5)
    views_beside(results, 64, args.size or 64)
    chunks(results)
    if args.large:
        steps(results, "resnet18", 224, 16, 3)
        steps(results, "vits16", 64, args.size or 64, 3)
        steps(results, "vits16", 224, 8, 3)
    results.write()
