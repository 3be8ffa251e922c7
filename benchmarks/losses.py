"""Losses with miners, forward and backward, dim 384, eight items per label, beside OML and PML in the same run.

Limits: at batch 512 each within 40 ms and 150 MB; all triplets at 256 within 20 ms and 60 MB, at 1024 within 300 MB.
"""

from collections.abc import Callable
from typing import Any

import torch
from measuring import arguments, forget_peak, memory, peer, ratio, seconds, show
from torch import nn

from omlzoo.losses import (
    ArcFaceLoss,
    CircleLoss,
    ContrastiveLoss,
    CosFaceLoss,
    CrossBatch,
    HyperbolicContrastive,
    MultiSimilarityLoss,
    NTXentLoss,
    ProxyAnchorLoss,
    SupConLoss,
    SurrogatePrecision,
    ThresholdConsistentMargin,
    TripletLoss,
)  # fmt: skip
from omlzoo.memory import MemoryBank
from omlzoo.miners import AllTriplets, HardCluster, HardTriplets, NHardTriplets

MANY = 11_000  # labels of the proxy losses
MAKE: dict[str, Callable[[int], nn.Module]] = {
    "all": lambda size: TripletLoss(0.2, AllTriplets()),
    "hard": lambda size: TripletLoss(0.2, HardTriplets()),
    "n_hard": lambda size: TripletLoss(0.2, NHardTriplets(3, 5)),
    "memory": lambda size: CrossBatch(TripletLoss(0.2, NHardTriplets(3, 5)), MemoryBank(5 * size, 384)),
    "hard_cluster": lambda size: TripletLoss(0.2, HardCluster()),
    "surrogate": lambda size: SurrogatePrecision(5),
    "arcface": lambda size: ArcFaceLoss(384, MANY),
    "cosface": lambda size: CosFaceLoss(384, MANY),
    "proxy_anchor": lambda size: ProxyAnchorLoss(384, MANY),
    "supcon": lambda size: SupConLoss(),
    "multi_similarity": lambda size: MultiSimilarityLoss(),
    "contrastive": lambda size: ContrastiveLoss(),
    "ntxent": lambda size: NTXentLoss(),
    "circle": lambda size: CircleLoss(),
    "tcm": lambda size: ThresholdConsistentMargin(),
    "hyperbolic": lambda size: HyperbolicContrastive(),
}
OML = {"all", "hard", "n_hard", "memory", "hard_cluster", "surrogate", "arcface"}
PML = {"all", "hard", "memory", "arcface", "cosface", "proxy_anchor", "supcon", "multi_similarity", "contrastive", "ntxent",
       "circle", "tcm"}  # fmt: skip
LARGEST = {"oml/all": 256, "pml/ntxent": 128, "pml/tcm": 256}  # beyond, they take minutes or more memory than is here


def measure(name: str, size: int) -> dict[str, float]:
    """Median milliseconds and peak MB of a step."""
    torch.manual_seed(0)
    embeddings = torch.randn(size, 384, requires_grad=True)
    labels = torch.arange(size) // 8
    loss = MAKE[name](size)

    def step() -> None:
        embeddings.grad = None
        loss(embeddings, labels).backward()

    if isinstance(loss, CrossBatch):  # a memory is full before it is measured
        for _ in range(5):
            loss.memory.add(torch.randn(size, 384), labels)
    forget_peak()
    before = memory()
    step()
    peak = memory("VmHWM") - before
    return {"milliseconds": 1000 * seconds(step, runs=9), "peak_mb": peak}


if __name__ == "__main__":
    args = arguments(__doc__)
    for name in MAKE:  # what is loaded at the first call is no growth
        measure(name, 16)
    for size in [args.size] if args.size else [256, 512, 1024]:
        for name in MAKE if size <= 512 else ["all"]:
            found: dict[str, Any] = measure(name, size)
            ours = found["milliseconds"]
            for library, known in (("oml", OML), ("pml", PML)):
                case = f"{library}/{name}"
                if args.oml and name in known and size <= LARGEST.get(case, 512):
                    theirs = peer(args.oml, "losses", case, size)
                    found |= {f"{library}_milliseconds": theirs and theirs["milliseconds"],
                              f"{library}_peak_mb": theirs and theirs["peak_mb"],
                              f"times_{library}": ratio(theirs, "milliseconds", ours)}  # fmt: skip
            show(f"loss {name}, batch {size}", **found)
