"""The recipe of scripts/evidence.py on Omniglot run through Open Metric Learning's own loss, miner and sampler.

    PYTHONPATH=.:FOLDER_WITH_TIMM PYTHON_WITH_OML benchmarks/oml_training.py TABLE OUT.pt --loss triplet --seed 0
    .venv/bin/python benchmarks/oml_training.py TABLE OUT.pt --measure

The backbone (our small ResNet), its augmentation, the number of batches and the optimizer are the same; the weights are
measured by our evaluate(), as ours are.
"""

import argparse
import time
from math import cos, pi
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

SIDE, BATCHES, WARMUP, RATE = 64, 170, 0.05, 2e-3


def preprocess():
    from omlzoo.manifest import Preprocess

    return Preprocess((SIDE, SIDE), "squash", (SIDE, SIDE), "bilinear", True, None, (0.92,) * 3, (0.27,) * 3)


class Pictures(Dataset):
    def __init__(self, table: Path) -> None:
        from omlzoo.augmentations import Drawing

        frame = pd.read_csv(table)
        frame = frame[frame["split"] == "train"]
        self.files = [table.parent / path for path in frame["path"]]
        self.labels = frame["label"].astype("category").cat.codes.to_numpy()
        self.augment = Drawing(preprocess())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int):
        pixels = self.augment(Image.open(self.files[row]).convert("RGB")).float() / 255
        return (pixels - 0.92) / 0.27, int(self.labels[row])


def train(table: Path, out: Path, kind: str, seed: int) -> None:
    from oml.losses.arcface import ArcFaceLoss
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_hard_tri import HardTripletsMiner
    from oml.samplers.balance import BalanceSampler

    from omlzoo import catalog

    torch.manual_seed(seed)
    np.random.seed(seed)
    model = catalog.find("models", "resnet_small")().train().to(memory_format=torch.channels_last)
    data = Pictures(table)
    if kind == "triplet":
        loss = TripletLossWithMiner(margin=0.2, miner=HardTripletsMiner())
    else:
        loss = ArcFaceLoss(in_features=model.dim, num_classes=len(set(data.labels)))
    groups = [{"params": model.parameters()}, {"params": loss.parameters(), "share": 10.0}][: 1 + (kind == "arcface")]
    optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.05)
    loader = DataLoader(data, batch_sampler=BalanceSampler(data.labels.tolist(), 32, 4), num_workers=1)
    step, start, rising = 0, time.perf_counter(), max(1, round(WARMUP * BATCHES))
    while step < BATCHES:  # an epoch of OML's sampler is labels / n_labels batches
        for images, labels in loader:
            if step == BATCHES:
                break
            passed = (step - rising) / max(1, BATCHES - rising)
            rate = RATE * (step + 1) / rising if step < rising else RATE * (1 + cos(pi * passed)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("share", 1.0)
            value = loss(model(images.contiguous(memory_format=torch.channels_last)), labels)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            step += 1
    torch.save(model.state_dict(), out)
    print(f"{kind} {seed}: {step} batches in {time.perf_counter() - start:.0f} s")


def measure(table: Path, out: Path) -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
    import train_omniglot

    import omlzoo

    model = train_omniglot.start()
    model.load_state_dict(torch.load(out, weights_only=True))
    metrics = omlzoo.evaluate(model.eval(), table).metrics
    print(out.name, {name: round(metrics[name], 4) for name in ("cmc@1", "map@r")})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--loss", choices=["triplet", "arcface"], default="triplet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", action="store_true")
    args = parser.parse_args()
    if args.measure:
        measure(args.table, args.out)
    else:
        train(args.table, args.out, args.loss, args.seed)
