"""Samplers on a million rows and 200,000 labels: built, to the first batch, and one epoch; OML and PML beside them."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import Results, arguments, peer

from omlzoo.samplers import Balanced, CategoryBalanced, DistinctCategoryBalanced, FullCoverage

MAKE: dict[str, Callable[[Any, Any], Any]] = {
    "balanced": lambda labels, categories: Balanced(labels, 20, 2),
    "category_balanced": lambda labels, categories: CategoryBalanced(labels, categories, 4, 5, 2),
    "distinct": lambda labels, categories: DistinctCategoryBalanced(labels, categories, 4, 5, 2),
    "full_coverage": lambda labels, categories: FullCoverage(labels, 20, 2),
}
PEERS = {"balanced": ("oml", "pml"), "category_balanced": ("oml",)}

if __name__ == "__main__":
    args = arguments(__doc__)
    rows = args.size or (1_000_000 if args.large else 100_000)
    results = Results("samplers")
    labels = np.random.default_rng(0).integers(0, rows // 5, rows)
    for name, make in MAKE.items():
        start = time.perf_counter()
        sampler = make(labels, labels % 100)
        built = time.perf_counter() - start
        turn = iter(sampler)
        next(turn)
        first = time.perf_counter() - start
        for _ in turn:
            pass
        epoch = time.perf_counter() - start
        what = f"{name}, {rows:,} rows"
        results.add(f"{what}: to the first batch", first, "s", limit=1.0, build=built)
        known = PEERS.get(name, ()) if args.oml and rows <= 100_000 else ()  # at a million rows the peers take minutes
        for library in known:
            theirs = peer(args.oml, "samplers", f"{library}/{name}", rows, rows // 5)
            results.add(
                f"{what}: an epoch, beside {library}",
                epoch,
                "s",
                peer=theirs and theirs["epoch"],
                peer_name=library,
                batches=len(sampler),
            )
        if not known:
            results.add(f"{what}: an epoch", epoch, "s", batches=len(sampler))
    results.write()
