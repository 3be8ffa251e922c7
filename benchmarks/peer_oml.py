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


def embed(folder: str) -> dict[str, Any]:
    from oml.datasets.images import ImageBaseDataset
    from oml.inference import inference
    from oml.models import ViTExtractor
    from oml.registry.transforms import get_transforms_for_pretrained

    model = ViTExtractor(weights=None, arch="vits16", normalise_features=False).eval()
    transform, reader = get_transforms_for_pretrained("vits16_dino")
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


def triplets(batch: str) -> dict[str, Any]:
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_all_tri import AllTripletsMiner

    torch.manual_seed(0)
    embeddings = torch.randn(int(batch), 384, requires_grad=True)
    labels = torch.arange(int(batch)) // 8
    loss = TripletLossWithMiner(0.2, AllTripletsMiner())
    start = time.perf_counter()
    value = loss(embeddings, labels)
    value.backward()
    return {"milliseconds": 1000 * (time.perf_counter() - start), "loss": float(value)}


if __name__ == "__main__":
    print(
        json.dumps(
            {"embed": embed, "load": load, "retrieval": retrieval, "triplets": triplets}[sys.argv[1]](*sys.argv[2:])
        )
    )
