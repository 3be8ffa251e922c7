"""Train the bundled checkpoint on the training alphabets of Omniglot, with our own finetune.

    python scripts/train_omniglot.py ../shared/data/omniglot/omniglot.csv runs/omniglot
    python scripts/train_omniglot.py ../shared/data/omniglot/omniglot.csv runs/choose --hold-out Korean,Early_Aramaic

Each training picture also stands turned by 90, 180 and 270 degrees and mirrored, as pictures of new labels: eight
labels for each character. A batch has 32 characters, all in the same one of the eight variants: negatives then differ
by more than the side that is up, and a symmetric character is never its own negative. 136 characters are few, so 36
groups of 68 invented ones (strokes.py) stand beside them; a batch is of one group, two of three are invented.

With --hold-out whole training alphabets are set apart and measured instead, which is how the settings were chosen. The
validation rows are looked at once, at the very end.
"""

import argparse
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import strokes
import torch
from PIL import Image
from PIL.Image import Resampling, Transpose

from omlzoo import catalog
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.weights import Weights
from omlzoo.data import table
from omlzoo.data.images import to_rgb
from omlzoo.data.preprocess import Preprocess
from omlzoo.models._extractor import Extractor
from omlzoo.training import Recipe, finetune

ARCH = "resnet_small"
SIDE = 64  # pixels
GROUPS, LABELS, DRAWERS = 36, 68, 20  # of invented characters
BILINEAR = Resampling.BILINEAR
SETTINGS = Recipe(
    epochs=10, lr=2e-3, weight_decay=0.05, warmup=0.05, loss="SupConLoss", loss_args={"temperature": 0.1},
    sampler="CategoryBalanced", n_categories=1, n_labels=32, n_instances=4, augment="drawing", selection=0.0, workers=1,
)  # fmt: skip


def derive(csv: Path, folder: Path, hold_out: list[str]) -> Path:
    """Write the turned, mirrored and invented pictures and the table of all; validation rows stay as they are."""
    rows = table.read(csv, "train")
    made: list[dict[Hashable, Any]] = []
    for file, row in zip(rows.files(), rows.frame.to_dict("records"), strict=True):
        if row["split"] == "validation" or row["category"] in hold_out:
            held = row["category"] in hold_out
            if held or not hold_out:
                made.append(
                    {**row, "path": str(file.resolve()), "split": "validation", "is_query": True, "is_gallery": True}
                )
            continue
        image = to_rgb(file).convert("L").resize((SIDE, SIDE), BILINEAR)  # as the evaluation transform does
        for variant in range(8):
            turned = image.rotate(90 * (variant % 4))
            path = folder / f"{row['label']}_{variant}" / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            (turned if variant < 4 else turned.transpose(Transpose.FLIP_LEFT_RIGHT)).save(path)
            label = f"{row['label']}_{variant}"
            flags: dict[Hashable, Any] = {"is_query": None, "is_gallery": None}
            made.append({**row, "path": str(path.resolve()), "label": label, "category": f"variant {variant}", **flags})
    for number in range(GROUPS):
        for character, drawings in enumerate(strokes.group(1000 + number, LABELS, DRAWERS, SIDE)):
            for drawer, drawing in enumerate(drawings):
                path = folder / f"invented{number}_{character}" / f"{drawer:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(drawing).save(path)
                made.append({"path": str(path.resolve()), "label": f"invented{number}_{character}", "split": "train",
                             "category": f"invented {number}", "is_query": None, "is_gallery": None})  # fmt: skip
    frame = pd.DataFrame(made).astype({"label": str})
    frame.to_csv(folder / "derived.csv", index=False)
    return folder / "derived.csv"


def start() -> Extractor:
    """The architecture with random weights and its preprocessing."""
    model: Extractor = catalog.find("models", ARCH)()
    preprocess = Preprocess(
        (SIDE, SIDE), "squash", (SIDE, SIDE), "bilinear", True, None, mean=(0.92, 0.92, 0.92), std=(0.27, 0.27, 0.27)
    )
    entry = Entry(
        name=f"{ARCH}_omniglot", family="omlzoo", arch=ARCH, arch_args={}, dim=model.dim,
        params=sum(parameter.numel() for parameter in model.parameters()), repo=None, revision=None, file=None,
        sha256=None, size=None, mirrors=(), layout=None, upstream=None, preprocess=preprocess,
        preprocess_oml=None, normalize=True, metrics=(), license="apache-2.0", commercial=True, gated=False,
        citation="Data: Lake, Salakhutdinov, Tenenbaum 2015, Human-level concept learning, Science 350(6266)",
        source="random weights of scripts/train_omniglot.py", fingerprint=None, notes=None, calibration=None,
    )  # fmt: skip
    model.weights = Weights(entry)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--hold-out", default="", help="training alphabets to measure on instead of the validation rows"
    )
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    folder = args.out.with_name(args.out.name + "_pictures")
    folder.mkdir(parents=True, exist_ok=True)
    held = [name for name in args.hold_out.split(",") if name]
    csv = folder / "derived.csv"
    if not csv.exists():
        derive(args.table, folder, held)
    torch.manual_seed(SETTINGS.seed)
    run = finetune(start(), csv, out=args.out, recipe=replace(SETTINGS, epochs=args.epochs), resume=args.resume)
    print(run.history.to_string())
    print({name: value for name, value in run.report.metrics.items() if name != "per_category"})


if __name__ == "__main__":
    main()
