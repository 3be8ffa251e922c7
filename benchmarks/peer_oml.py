"""Open Metric Learning measured by its own functions; run by a Python that has it, prints one JSON line."""

import json
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402
import torch  # noqa: E402


def memory(field: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000


NAMES = {"vits16": "vits16_dino", "resnet50": "resnet50_imagenet1k_v1"}


def embed(folder: str, arch: str = "vits16") -> dict[str, Any]:
    from oml.datasets.images import ImageBaseDataset
    from oml.inference import inference
    from oml.models import ResnetExtractor, ViTExtractor
    from oml.registry.transforms import get_transforms_for_pretrained

    if arch == "vits16":
        model = ViTExtractor(weights=None, arch="vits16", normalise_features=False).eval()
    else:
        model = ResnetExtractor(weights=None, arch=arch, gem_p=None, remove_fc=True, normalise_features=False).eval()
    transform, reader = get_transforms_for_pretrained(NAMES[arch])
    paths = sorted(Path(folder).glob("*.jpg"))
    inference(model, ImageBaseDataset(paths=paths[:32], transform=transform, f_imread=reader), batch_size=32)
    rates = {}
    for workers in (0, 2):
        start = time.perf_counter()
        inference(
            model,
            ImageBaseDataset(paths=paths, transform=transform, f_imread=reader),
            batch_size=32,
            num_workers=workers,
        )
        rates[workers] = len(paths) / (time.perf_counter() - start)
    return {"images_per_second": max(rates.values())}


def load(path: str) -> dict[str, Any]:
    from oml.models import ViTExtractor

    times = []
    for _ in range(5):
        start = time.perf_counter()
        ViTExtractor(weights=path, arch="vits16", normalise_features=False).eval()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times)}


def retrieval(count: str, dim: str) -> dict[str, Any]:
    import pandas as pd
    from oml.datasets.images import ImageQueryGalleryLabeledDataset
    from oml.metrics.embeddings import calc_retrieval_metrics_rr
    from oml.retrieval.retrieval_results import RetrievalResults

    labels = np.arange(int(count)) // 8
    random = np.random.default_rng(0)
    centres = random.normal(size=(labels.max() + 1, int(dim))).astype(np.float32)
    vectors = torch.from_numpy(centres[labels] + 2.5 * random.normal(size=(int(count), int(dim))).astype(np.float32))
    rows = {"label": labels, "path": "x.jpg", "split": "validation", "is_query": True, "is_gallery": True}
    data = ImageQueryGalleryLabeledDataset(df=pd.DataFrame(rows))
    Path("/proc/self/clear_refs").write_text("5")
    before, start = memory("VmRSS"), time.perf_counter()
    found = RetrievalResults.from_embeddings(vectors, data, n_items=10)
    ranks = (1, 5, 10)
    metrics = calc_retrieval_metrics_rr(found, cmc_top_k=ranks, precision_top_k=ranks, map_top_k=ranks, verbose=False)
    return {
        "seconds": time.perf_counter() - start,
        "peak_mb": memory("VmHWM") - before,
        "cmc@1": float(metrics["cmc"][1]),
    }


def step() -> dict[str, Any]:
    """OML's training step of ViT-S/16 in float32: model, hard triplets, AdamW."""
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_hard_tri import HardTripletsMiner
    from oml.models import ViTExtractor

    torch.manual_seed(0)
    model = ViTExtractor(weights=None, arch="vits16", normalise_features=False).train()
    loss = TripletLossWithMiner(margin=0.2, miner=HardTripletsMiner())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    images, labels = torch.randn(32, 3, 224, 224), torch.arange(32) // 4
    times = []
    for _ in range(6):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times[1:])}


def losses(case: str, batch: str) -> dict[str, Any]:
    """Milliseconds and peak MB of one case at one batch size: "<oml or pml>/<what>"."""
    from oml.losses.arcface import ArcFaceLoss
    from oml.losses.surrogate_precision import SurrogatePrecision
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_all_tri import AllTripletsMiner
    from oml.miners.inbatch_hard_cluster import HardClusterMiner
    from oml.miners.inbatch_hard_tri import HardTripletsMiner
    from oml.miners.inbatch_nhard_tri import NHardTripletsMiner
    from oml.miners.miner_with_bank import MinerWithBank
    from pytorch_metric_learning import distances, miners
    from pytorch_metric_learning import losses as pml

    size = int(batch)
    torch.manual_seed(0)
    embeddings = torch.randn(size, 384, requires_grad=True)
    labels = torch.arange(size) // 8
    plain = distances.LpDistance(normalize_embeddings=False)
    make: dict[str, Any] = {
        "oml/all": lambda: TripletLossWithMiner(0.2, AllTripletsMiner()),
        "oml/hard": lambda: TripletLossWithMiner(0.2, HardTripletsMiner()),
        "oml/n_hard": lambda: TripletLossWithMiner(0.2, NHardTripletsMiner(3, 5)),
        "oml/memory": lambda: TripletLossWithMiner(0.2, MinerWithBank(5, NHardTripletsMiner(3, 5), need_logs=False)),
        "oml/hard_cluster": lambda: TripletLossWithMiner(0.2, HardClusterMiner()),
        "oml/surrogate": lambda: SurrogatePrecision(5),
        "oml/arcface": lambda: ArcFaceLoss(384, 11_000),
        "pml/all": lambda: pml.TripletMarginLoss(0.2, distance=plain),
        "pml/memory": lambda: pml.CrossBatchMemory(pml.ContrastiveLoss(), 384, 6 * size),
        "pml/arcface": lambda: pml.ArcFaceLoss(11_000, 384),
        "pml/supcon": lambda: pml.SupConLoss(), "pml/multi_similarity": lambda: pml.MultiSimilarityLoss(),
        "pml/contrastive": lambda: pml.ContrastiveLoss(), "pml/ntxent": lambda: pml.NTXentLoss(),
        "pml/circle": lambda: pml.CircleLoss(), "pml/proxy_anchor": lambda: pml.ProxyAnchorLoss(11_000, 384),
        "pml/tcm": lambda: pml.ThresholdConsistentMarginLoss(), "pml/cosface": lambda: pml.CosFaceLoss(11_000, 384),
    }  # fmt: skip
    if case == "pml/hard":
        inner, miner = pml.TripletMarginLoss(0.2, distance=plain), miners.BatchHardMiner(distance=plain)
        loss: Any = lambda e, y: inner(e, y, miner(e, y))  # noqa: E731
    else:
        loss = make[case]()

    def step() -> None:
        embeddings.grad = None
        loss(embeddings, labels).backward()

    for _ in range(6 if case.endswith("memory") else 1):  # a memory is full before it is measured
        step()
    times = []
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    for _ in range(9):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
        if sum(times) > 5:
            break
    return {"milliseconds": 1000 * statistics.median(times), "peak_mb": memory("VmHWM") - before}


def samplers(kind: str, rows: str, labels: str) -> dict[str, Any]:
    """Seconds to build, to the first batch, and of one epoch; categories x labels x items are 4 x 5 x 2."""
    names = np.random.default_rng(0).integers(0, int(labels), int(rows))
    names = np.unique(names, return_inverse=True)[1]
    category = {label: label % 100 for label in range(names.max() + 1)}
    start = time.perf_counter()
    if kind == "oml/balanced":
        from oml.samplers.balance import BalanceSampler

        keep = np.bincount(names)[names] > 1
        sampler: Any = BalanceSampler(np.unique(names[keep], return_inverse=True)[1].tolist(), 20, 2)
    elif kind == "pml/balanced":
        from pytorch_metric_learning.samplers import MPerClassSampler

        sampler = MPerClassSampler(names, 2, 40, len(names))
    else:
        from oml.samplers.category_balance import CategoryBalanceSampler

        keep = np.bincount(names)[names] > 1
        names = np.unique(names[keep], return_inverse=True)[1]
        category = {label: label % 100 for label in range(names.max() + 1)}
        sampler = CategoryBalanceSampler(names.tolist(), category, 4, 5, 2)
    built = time.perf_counter() - start
    turn = iter(sampler)
    next(turn)
    first = time.perf_counter() - start
    for _ in turn:
        pass
    return {"build": built, "first_batch": first, "epoch": time.perf_counter() - start}


if __name__ == "__main__":
    ways = {"embed": embed, "load": load, "retrieval": retrieval, "losses": losses, "samplers": samplers, "step": step}
    print(json.dumps(ways[sys.argv[1]](*sys.argv[2:])))
