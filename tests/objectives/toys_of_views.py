"""Small objectives and views, for the tests of this room."""

import inspect
from typing import Any

import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.objectives import Objective

WIDTH, DIM, BATCH = 7, 6, 8
SMALL: dict[str, Any] = {"dim": DIM, "hidden": 8, "predictor_hidden": 8, "bottleneck": 4, "queue": 10, "prototypes": 5}
NAMES = sorted(catalog.names("objectives"))
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("SimCLR", {"version": 1}),
    ("MoCo", {"version": 1}),
    ("MoCo", {"version": 2, "symmetric": True}),
    ("MoCo", {"version": 3}),
    ("MoCo", {"version": 3, "transformer": True}),
    ("DINO", {"centring": "sinkhorn", "koleo": 0.1, "norm": True}),
    ("PCL", {"version": 1}),
    ("CURL", {"start": "identity"}),
]


def made(name: str, seed: int = 0, **settings: Any) -> Objective:
    """A small objective; PCL has seen an epoch."""
    kind = catalog.find("objectives", name)
    known = {**SMALL, **({"prototypes": (2, 3), "warmup": 0.0} if name == "PCL" else {}), **settings}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        objective: Objective = kind(
            WIDTH, **{k: v for k, v in known.items() if k in inspect.signature(kind).parameters}
        )
    if name == "PCL":
        objective.begin_epoch(torch.randn(20, DIM, generator=torch.Generator().manual_seed(5)), torch.arange(20))
    return objective


def columns(objective: Objective) -> int:
    """The number of columns of its projector's outputs."""
    projector = objective.make_projector()
    assert projector is not None
    return int(projector.eval()(torch.zeros(1, WIDTH)).shape[1])


def views(
    count: int, dim: int = DIM, batch: int = BATCH, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Random views with gradients."""
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, dim, generator=draw, dtype=torch.float64).to(dtype).requires_grad_() for _ in range(count)
    ]
