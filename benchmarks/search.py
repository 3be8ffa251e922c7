"""Exact search and retrieval metrics, every vector query and gallery, against FAISS flat and the bare blocked product.

The limit is the time of the bare product and its top-k.
"""

import time

import faiss
import numpy as np
import torch
from measuring import Results, arguments, forget_peak, memory, peer

from omlzoo.metrics import retrieval

DIM = 384


def clustered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of labels with eight rows each."""
    labels = np.arange(count) // 8
    random = np.random.default_rng(0)
    centres = random.normal(size=(labels.max() + 1, DIM)).astype(np.float32)
    return centres[labels] + 2.5 * random.normal(size=(count, DIM)).astype(np.float32), labels


def bare(vectors: torch.Tensor) -> None:
    """Blocks of the product and their top-k, nothing else."""
    squares = vectors.square().sum(dim=1)
    for block in vectors.split(1024):
        (squares[None] - 2 * block @ vectors.T).topk(11, largest=False)


def clock(call: object) -> float:
    start = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - start


if __name__ == "__main__":
    args = arguments(__doc__)
    vectors, labels = clustered(args.size or (30_000 if args.large else 8_000))
    index = faiss.IndexFlatL2(DIM)
    index.add(vectors)
    tensors = torch.from_numpy(vectors)
    bare(tensors[:2048])
    peers, ours, products = [], [], []
    forget_peak()
    before = memory()
    ranks = {"cmc": (1, 5, 10), "precision": (1, 5, 10), "map": (1, 5, 10)}
    metrics = retrieval(vectors, labels, **ranks)
    peak = memory("VmHWM") - before
    for _ in range(3):
        peers.append(clock(lambda: index.search(vectors, 11)))
        products.append(clock(lambda: bare(tensors)))
        ours.append(clock(lambda: retrieval(vectors, labels, **ranks)))
    theirs = peer(args.oml, "retrieval", len(vectors), DIM)
    what, own = f"{len(vectors):,} x {DIM}", sorted(ours)[1]
    results = Results("search")
    results.add(f"retrieval with all ranking metrics, {what}", own, "s", peer=sorted(peers)[1], peer_name="FAISS flat, search alone",
                limit=sorted(products)[1], cmc_at_1=metrics["cmc@1"])  # fmt: skip
    results.add(
        f"its peak above the vectors, {what}", peak, "MB", limit=500, peer=theirs and theirs["peak_mb"], peer_name="OML"
    )
    if theirs:
        results.add(
            f"retrieval beside OML, {what}",
            own,
            "s",
            peer=theirs["seconds"],
            peer_name="OML",
            oml_cmc_at_1=theirs["cmc@1"],
        )
    results.write()
