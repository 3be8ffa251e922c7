"""Small objectives and views, for the tests of this room."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.models.vit import ViT
from omlzoo.objectives import Objective

WIDTH, DIM, BATCH = 7, 6, 8
SMALL: dict[str, Any] = {
    "dim": DIM, "hidden": 8, "predictor_hidden": 8, "bottleneck": 4, "queue": 10, "prototypes": 5,
    "patches": 4, "pixels": 12, "depth": 1, "heads": 2,
}  # fmt: skip
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
    ("DenseCL", {"weight": 0.9}),
    ("IBOT", {"centring": "sinkhorn", "koleo": 0.1, "separate": True, "norm": True}),
    ("IBOT", {"masked": 1.0, "weight": 0.5}),
    ("MAE", {"scaled": False, "share": 0.5}),
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
    return int(projected(objective, projector.eval(), torch.zeros(1, WIDTH)).shape[1])


def pictures(given: Tensor) -> Tensor:
    """Images (B, 3, 4, 4) that differ as rows (B, WIDTH) do."""
    draw = torch.Generator().manual_seed(9)
    return (given @ torch.randn(WIDTH, 48, generator=draw, dtype=torch.float64).to(given)).unflatten(1, (3, 4, 4))


def small_body(seed: int = 0) -> ViT:
    """A vision transformer of four patches."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ViT(image=4, patch=2, width=WIDTH, depth=2, heads=1).eval().requires_grad_(False)


def projected(objective: Objective, projector: nn.Module, given: Tensor) -> Tensor:
    """What a projector makes of embeddings (B, WIDTH), or of images where it looks at patches."""
    if objective.takes == "embedding":
        return projector(given)  # type: ignore[no-any-return]
    return projector(small_body().to(given.dtype), pictures(given))  # type: ignore[no-any-return]


def views(
    count: int, dim: int = DIM, batch: int = BATCH, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Random views with gradients."""
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, dim, generator=draw, dtype=torch.float64).to(dtype).requires_grad_() for _ in range(count)
    ]
