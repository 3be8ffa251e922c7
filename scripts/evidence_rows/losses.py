"""Losses beside each other: the same start, epochs and batches, three seeds."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evidence_rows.table import DATA, Table, between, measured

__all__ = ["TABLES"]

SEEDS = (0, 1, 2)
CASES: dict[str, dict[str, Any]] = {
    "triplet": {"loss": "TripletLoss"},
    "soft-triplet-categories": {
        "loss": "TripletLoss", "loss_args": {"margin": "none"}, "sampler": "CategoryBalanced", "n_categories": 2,
    },
    "arcface": {"loss": "ArcFaceLoss", "loss_lr": 10.0},
    "supcon": {"loss": "SupConLoss"},
    "multisimilarity": {"loss": "MultiSimilarityLoss"},
    "supcon-tcm": {"loss": "SupConLoss", "add_losses": {"ThresholdConsistentMargin": 1.0}},
    "hyperbolic": {"loss": "HyperbolicContrastive"},
    "surrogate-precision": {"loss": "SurrogatePrecision", "loss_args": {"k": 5}},
}  # fmt: skip
SHARED: dict[str, dict[str, Any]] = {
    "omniglot": {"epochs": 8, "lr": 2e-3, "weight_decay": 0.05, "augment": "drawing", "n_labels": 32, "n_instances": 4},
    "grocery": {"epochs": 4, "lr": 1e-3, "augment": "photo", "n_labels": 12, "n_instances": 6},
}


def trained(data: str, case: str) -> dict[str, Any]:
    """Three runs of a loss, the last epoch kept; Omniglot from random weights, Grocery from the bundled checkpoint."""
    import torch
    import train_omniglot

    import omlzoo
    from omlzoo.training import Recipe

    settings: dict[str, Any] = {**SHARED[data], **CASES[case], "selection": 0.0, "log": "none", "workers": 1}
    if settings.get("sampler") == "CategoryBalanced":
        settings["n_labels"] //= settings["n_categories"]
    reports, spent = [], []
    for seed in SEEDS:
        torch.manual_seed(seed)
        start: Any = train_omniglot.start() if data == "omniglot" else omlzoo.get_model("resnet_small_omniglot")
        with tempfile.TemporaryDirectory() as folder:
            found = omlzoo.finetune(start, DATA / data / f"{data}.csv", out=Path(folder) / "run", progress=False,
                                    recipe=Recipe(**settings, seed=seed))  # fmt: skip
        reports.append(found.report)
        spent.append(float(found.history["seconds"].sum()))
    return {**measured(reports), "seeds": list(SEEDS), "training seconds": sorted(spent)[len(spent) // 2]}


def cells(values: Mapping[str, Any]) -> list[str]:
    """CMC@1, its interval, MAP@R, CMC@1 of each seed, and seconds of training."""
    seeds = ", ".join(f"{value:.3f}" for value in values["of each seed"])
    return [f"{values['cmc@1']:.3f}", between(values["interval"]), f"{values['map@r']:.3f}", seeds,
            f"{values['training seconds']:.0f}"]  # fmt: skip


COLUMNS = ("CMC@1", "interval over labels", "MAP@R", "CMC@1 of each seed", "seconds of training, the median")
TABLES = tuple(
    Table(
        f"Losses beside each other on {data.capitalize()}", text, COLUMNS, cells,
        {f"loss-{data}-{case}": partial(trained, data, case) for case in CASES},
    )
    for data, text in {
        "omniglot": "The small ResNet from random weights, 8 epochs of 21 batches of 128 drawings of 136 characters, "
        "the last epoch kept,\nnothing tuned for any loss; measured on the 2,120 drawings of three unseen alphabets. "
        "[results.md](results.md) has these\nruns of the first round, with intervals over queries.",
        "grocery": "From the bundled checkpoint, which learned from drawings, 4 epochs of 24 batches of 72 photographs "
        "of 42 products,\nthe last epoch kept, nothing tuned for any loss; measured on the 1,552 photographs of 39 "
        "unseen products.",
    }.items()
)  # fmt: skip
