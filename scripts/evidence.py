"""Measure losses against each other: the same data, model, epochs and batches, several seeds, intervals.

    python scripts/evidence.py omniglot ../shared/data/omniglot/omniglot.csv runs/evidence
    python scripts/evidence.py grocery ../shared/data/grocery/grocery.csv runs/evidence
    python scripts/evidence.py omniglot --show - runs/evidence        # the table of what is there

Every run leaves a file with its per-query values; what is there is not run again. Omniglot starts from random weights
of the small ResNet and keeps the last epoch; Grocery starts from the bundled checkpoint.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import train_omniglot

from omlzoo.models._extractor import Extractor
from omlzoo.training import Recipe, finetune
from omlzoo.zoo.registry import get_model

CASES: dict[str, dict[str, Any]] = {
    "triplet, hard": {"loss": "TripletLoss"},
    "soft triplet, hard, category-balanced": {
        "loss": "TripletLoss", "loss_args": {"margin": "none"}, "sampler": "CategoryBalanced", "n_categories": 2,
    },
    "ArcFace": {"loss": "ArcFaceLoss", "loss_lr": 10.0},
    "SupCon": {"loss": "SupConLoss"},
    "MultiSimilarity": {"loss": "MultiSimilarityLoss"},
    "SupCon + TCM": {"loss": "SupConLoss", "add_losses": {"ThresholdConsistentMargin": 1.0}},
    "hyperbolic": {"loss": "HyperbolicContrastive"},
    "surrogate precision": {"loss": "SurrogatePrecision", "loss_args": {"k": 5}},
}  # fmt: skip
SHARED: dict[str, dict[str, Any]] = {
    "omniglot": {"epochs": 8, "lr": 2e-3, "weight_decay": 0.05, "augment": "drawing", "n_labels": 32, "n_instances": 4},
    "grocery": {"epochs": 4, "lr": 1e-3, "augment": "photo", "n_labels": 12, "n_instances": 6},
}
SEEDS = (0, 1, 2)
METRICS = ("cmc@1", "map@r")


def start(data: str, seed: int) -> Extractor:
    torch.manual_seed(seed)
    return train_omniglot.start() if data == "omniglot" else get_model("resnet_small_omniglot")


def run(data: str, table: Path, case: str, seed: int, file: Path) -> None:
    settings = {**SHARED[data], **CASES[case], "seed": seed, "selection": 0.0, "log": "none", "workers": 1}
    if settings.get("sampler") == "CategoryBalanced":
        settings["n_labels"] //= settings["n_categories"]
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = finetune(start(data, seed), table, out=Path(folder) / "run", recipe=Recipe(**settings))
    ranking = found.report.ranking
    assert ranking is not None
    values = {name: np.asarray(ranking.values[name], dtype=float).tolist() for name in METRICS}
    seconds = float(found.history["seconds"].sum())
    text = {"case": case, "seed": seed, "settings": settings, "training_seconds": seconds,
            "seconds": time.perf_counter() - begin, "values": values, "loss": found.history["loss"].tolist(),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}  # fmt: skip
    file.write_text(json.dumps(text))


def interval(values: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """95 % of the means of queries drawn with replacement."""
    random = np.random.default_rng(0)
    means = [values[random.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def show(data: str, folder: Path) -> None:
    print("| loss | seeds | CMC@1 | MAP@R | CMC@1 of each seed | training seconds |\n|---|---|---|---|---|---|")
    for case in CASES:
        runs = [json.loads(file.read_text()) for file in sorted(folder.glob(f"{data}-{name(case)}-*.json"))]
        if not runs:
            continue
        cells = [case, str(len(runs))]
        for metric in METRICS:
            mean = np.mean([each["values"][metric] for each in runs], axis=0)  # of each query, over the seeds
            low, high = interval(mean)
            cells.append(f"{mean.mean():.3f} ({low:.3f} to {high:.3f})")
        cells.append(", ".join(f"{np.mean(each['values']['cmc@1']):.3f}" for each in runs))
        cells.append(f"{np.median([each['training_seconds'] for each in runs]):.0f}")
        print(f"| {' | '.join(cells)} |")


def name(case: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=SHARED)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--show", action="store_true", help="only print the table")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in () if args.show else SEEDS:
        for case in CASES:
            file = args.out / f"{args.data}-{name(case)}-{seed}.json"
            if not file.exists():
                run(args.data, args.table, case, seed, file)
                print(case, seed, np.mean(json.loads(file.read_text())["values"]["cmc@1"]), flush=True)
    show(args.data, args.out)


if __name__ == "__main__":
    main()
