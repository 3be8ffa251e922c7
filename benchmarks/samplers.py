"""Samplers on a million rows and 200,000 labels: built, to the first batch, and one epoch; OML and PML beside them."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import arguments, peer, show

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
    rows = args.size or 1_000_000
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
        found: dict[str, Any] = {}
        if args.oml and rows <= 100_000:  # at a million rows the peers take minutes
            for library in PEERS.get(name, ()):
                theirs = peer(args.oml, "samplers", f"{library}/{name}", rows, rows // 5)
                found[library] = theirs
                found[f"times_{library}"] = theirs and theirs["epoch"] / epoch
        show(f"sampler {name}", rows=rows, batches=len(sampler), build=built, first_batch=first, epoch=epoch, **found)
