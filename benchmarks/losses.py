"""Losses with miners, forward and backward, dim 384, eight items per label, beside OML and PML in the same run.

Processor time; set OMP_NUM_THREADS=1. pytorch-metric-learning is taken from this Python where OML's is not given.

Limits: at batch 512 each within 40 ms and 150 MB; all triplets at 256 within 20 ms and 60 MB, at 1024 within 300 MB.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from measuring import Results, arguments, forget_peak, memory, peer, seconds
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
OURS_BESIDE_PML: dict[str, tuple[str, dict[str, Any]]] = {  # what needs no Python of its own
    "all": ("TripletMarginLoss", {"margin": 0.2}), "arcface": ("ArcFaceLoss", {"num_classes": MANY, "embedding_size": 384}),
    "cosface": ("CosFaceLoss", {"num_classes": MANY, "embedding_size": 384}), "proxy_anchor": ("ProxyAnchorLoss", {"num_classes": MANY, "embedding_size": 384}),
    "supcon": ("SupConLoss", {}), "multi_similarity": ("MultiSimilarityLoss", {}), "contrastive": ("ContrastiveLoss", {}),
    "ntxent": ("NTXentLoss", {}), "circle": ("CircleLoss", {}),
}  # fmt: skip
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
    return {"milliseconds": 1000 * seconds(step, runs=9, clock=time.process_time), "peak_mb": peak}


def of_pml(name: str, size: int) -> dict[str, float] | None:
    """The same step by pytorch-metric-learning in this Python, where it is installed."""
    try:
        from pytorch_metric_learning import losses
    except ImportError:
        return None
    torch.manual_seed(0)
    embeddings, labels = torch.randn(size, 384, requires_grad=True), torch.arange(size) // 8
    loss = getattr(losses, OURS_BESIDE_PML[name][0])(**OURS_BESIDE_PML[name][1])

    def step() -> None:
        embeddings.grad = None
        loss(embeddings, labels).backward()

    return {"milliseconds": 1000 * seconds(step, runs=9, clock=time.process_time)}


if __name__ == "__main__":
    args = arguments(__doc__)
    for name in MAKE:  # what is loaded at the first call is no growth
        measure(name, 16)
    results = Results("losses")
    for size in [args.size] if args.size else [256, 512, 1024] if args.large else [128]:
        for name in MAKE if size <= 512 else ["all"]:
            found, what = measure(name, size), f"{name}, batch {size}"
            limit = 40.0 if size == 512 else 20.0 if (name, size) == ("all", 256) else None
            beside = {}
            for library, known in (("oml", OML), ("pml", PML)):
                case = f"{library}/{name}"
                if args.oml and name in known and size <= LARGEST.get(case, 512):
                    beside[library] = peer(args.oml, "losses", case, size)
            if not beside and name in OURS_BESIDE_PML and size <= LARGEST.get(f"pml/{name}", 512):
                beside["pml"] = of_pml(name, size)
            for library, theirs in beside.items():
                results.add(
                    f"{what}, beside {library}",
                    found["milliseconds"],
                    "ms",
                    peer=theirs and theirs["milliseconds"],
                    peer_name=library,
                    limit=limit,
                )
            if not beside:
                results.add(what, found["milliseconds"], "ms", limit=limit, peak_mb=found["peak_mb"])
    results.write()
