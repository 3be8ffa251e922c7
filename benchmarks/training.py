"""A training step of ViT-S/16, batch 32, hard triplets: whole, with ten of twelve blocks frozen, and with their
outputs cached, beside OML's loop.

Limits with bf16 hardware: 2.7 x OML's float32 loop, 7 x with ten blocks frozen.
"""

import torch
from measuring import arguments, peer, ratio, seconds, show

from omlzoo.embedding.hardware import multiplies_bf16
from omlzoo.losses import TripletLoss
from omlzoo.models.vit import vits16
from omlzoo.training.freezing import freeze
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.training_model import TrainingModel


def step(frozen: int, precision: str, cached: bool) -> float:
    torch.manual_seed(0)
    model = vits16().train()
    for part in freeze(model, frozen):
        part.eval()
    work = Optimization(
        TrainingModel(model, stage=frozen * cached), Supervised(TripletLoss(0.2)), Recipe(lr=1e-5), 100, precision
    )
    images, labels = torch.randn(32, 3, 224, 224), torch.arange(32) // 4
    if cached:
        with torch.no_grad():
            images = model.until(images, frozen)
    return seconds(lambda: work.batch([images], labels, torch.arange(len(labels)), str), runs=5)


if __name__ == "__main__":
    args = arguments(__doc__)
    half = "bf16" if multiplies_bf16(torch.device("cpu")) else "fp32"
    theirs = peer(args.oml, "step")
    cases = (
        ("whole", 0, False),
        ("ten blocks frozen", 11, False),
        ("ten blocks frozen, their outputs cached", 11, True),
    )
    for name, frozen, cached in cases:
        ours = step(frozen, half, cached)
        show(f"training step, {name}", precision=half, seconds=ours, oml_seconds=theirs and theirs["seconds"],
             times_oml=ratio(theirs, "seconds", ours))  # fmt: skip
