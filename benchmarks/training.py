"""Training steps of ViT-S/16 beside OML's loop, in processor seconds of one thread, everything in turn in one process.

    PYTHONPATH=. PYTHON_WITH_OML benchmarks/training.py        # any Python with torch and timm runs ours alone

Hard triplets and AdamW, in float32 and in bf16 autocast: whole, with ten of twelve blocks frozen, and with their
outputs cached. Limits: float32 1.15 x OML's, bf16 no slower than OML's bf16.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from measuring import Results, arguments, in_turn

from omlzoo import catalog
from omlzoo.losses import TripletLoss
from omlzoo.models.vit import vits16
from omlzoo.training.freezing import freeze
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.training_model import TrainingModel


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
    found, results = in_turn(cases, runs), Results("training")
    for name, seconds in found.items():
        peer = found.get(f"OML {name[:4]}")
        if not name.startswith("OML"):
            limit = peer and (peer / 1.15 if name == "fp32" else peer if name == "bf16" else None)
            results.add(f"step of ViT-S/16, batch {size}, {name}", seconds, "processor s", peer=peer, limit=limit,
                        peer_name="OML in that precision")  # fmt: skip
    results.write()


if __name__ == "__main__":
    args = arguments(__doc__)
    torch.set_num_threads(1)
    steps(args.size or 8, 2)
