"""Learning without labels on drawings, beside Lightly's own loop."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evidence_rows.bodies import small_resnet
from evidence_rows.table import DATA, Table, between

__all__ = ["SEVERAL", "TABLE", "VIEWS"]

VIEWS: dict[str, Any] = {"views": "drawing", "image_size": 48, "n_labels": 128, "n_instances": 1, "lr": 1e-3,
                         "selection": 0.0, "duplicates": False, "log": "none", "epochs": 60,
                         "precision": "fp32"}  # fmt: skip
SEVERAL = ("DINO", "SwAV")  # take small views too
OBJECTIVES: dict[str, dict[str, Any]] = {
    "SimCLR": {"temperature": 0.2},
    "VICReg": {"hidden": 2048, "dim": 2048},
    "BYOL": {},
    "SimSiam": {},
    "MoCo": {"queue": 1024},
    "BarlowTwins": {"hidden": 2048, "dim": 2048},
    "NNCLR": {"queue": 1024},
    "DINO": {"prototypes": 1024, "norm": True},
    "SwAV": {"prototypes": 512},
}
TEXT = """Omniglot, 2,720 training drawings without their labels, then the 2,120 drawings of three unseen alphabets,
each against all others; the small ResNet from random weights, 48 pixels, 60 epochs but where the row says so, AdamW
1e-3, batch 128, float32. Raw pixels of 48 x 48: 0.263."""


def pretrained(objective: str, epochs: int = 60) -> dict[str, Any]:
    """Unseen alphabets after learning from the training drawings without their labels."""
    import omlzoo

    several: dict[str, Any] = {"globals": 2, "locals": 2} if objective in SEVERAL else {}
    with tempfile.TemporaryDirectory() as folder:
        run = omlzoo.pretrain(
            small_resnet(), DATA / "omniglot" / "omniglot.csv", out=Path(folder) / "run", objective=objective,
            objective_args=OBJECTIVES[objective], progress=False, **VIEWS | {"epochs": epochs}, **several,
        )  # fmt: skip
        before = run.report.before or {}
        return {
            "cmc@1": run.report.metrics["cmc@1"], "map@r": run.report.metrics["map@r"],
            "interval": run.report.intervals.get("cmc@1"), "before cmc@1": before.get("cmc@1"),
            "precision": run.report.facts["trained in"], "rank": float(run.history["rank"].iloc[-1]),
            "std": float(run.history["std"].iloc[-1]), "seeds": [0],
        }  # fmt: skip


def lightly_simclr(epochs: int = 60) -> dict[str, Any]:
    """The same body, views, batches and optimizer in a loop with Lightly's loss and head."""
    import numpy as np
    import torch
    from lightly.loss import NTXentLoss  # type: ignore[import-untyped]
    from lightly.models.modules import SimCLRProjectionHead  # type: ignore[import-untyped]

    import omlzoo
    from omlzoo.data import table
    from omlzoo.data.dataset import ImageTable, Seeded, collate
    from omlzoo.data.transforms import Transform
    from omlzoo.data.views import Views
    from omlzoo.samplers import Balanced

    body = small_resnet()
    pre = body.entry.preprocess.scaled(48)
    body.weights = replace(body.facts, entry=replace(body.entry, preprocess=pre))
    rows = table.read(DATA / "omniglot" / "omniglot.csv", "train")
    fit = rows.rows((rows.frame["split"] == "train").to_numpy())
    fit = replace(fit, frame=fit.frame.assign(label=np.arange(len(fit))))
    torch.manual_seed(0)
    head, loss = SimCLRProjectionHead(body.dim, 512, 128), NTXentLoss(0.2)
    optimizer = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-3)
    batches = Seeded(Balanced(list(range(len(fit))), 128, 1), 0)
    steps = epochs * len(batches)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    transform = Transform(pre)
    pictures = ImageTable(fit, Views(pre, "drawing"))
    loader = torch.utils.data.DataLoader(pictures, batch_sampler=batches, collate_fn=collate, num_workers=1)
    body.train()
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for views, *_ in loader:
            value = loss(*(head(body(transform.normalize(view))) for view in views))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            rate.step()
    report = omlzoo.evaluate(body.eval(), DATA / "omniglot" / "omniglot.csv", precision="fp32", progress=False)
    return {"cmc@1": report.metrics["cmc@1"], "map@r": report.metrics["map@r"], "seeds": [0],
            "interval": report.intervals.get("cmc@1"), "lightly": version("lightly")}  # fmt: skip


def cells(values: Mapping[str, Any]) -> list[str]:
    """CMC@1, its interval, MAP@R, and CMC@1 before."""
    before = values.get("before cmc@1")
    return [f"{values['cmc@1']:.3f}", between(values.get("interval")), f"{values['map@r']:.3f}",
            "" if before is None else f"{before:.3f}"]  # fmt: skip


TABLE = Table(
    "Without labels", TEXT, ("CMC@1", "interval over labels", "MAP@R", "before"), cells,
    {
        **{f"omniglot-{name.lower()}": partial(pretrained, name) for name in OBJECTIVES},
        "omniglot-simclr-20-epochs": partial(pretrained, "SimCLR", 20),
        "omniglot-lightly-simclr": lightly_simclr,
        "omniglot-lightly-simclr-20-epochs": partial(lightly_simclr, 20),
    },
)  # fmt: skip
