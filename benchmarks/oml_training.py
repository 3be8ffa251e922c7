"""The recipes of scripts/evidence.py on Omniglot and Grocery run through Open Metric Learning's own loss, miner and sampler.

    PYTHONPATH=.:FOLDER_WITH_TIMM PYTHON_WITH_OML benchmarks/oml_training.py TABLE OUT.pt --data grocery --loss triplet --seed 0
    .venv/bin/python benchmarks/oml_training.py TABLE OUT.pt --data grocery --measure

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

BUNDLED = Path(__file__).parent.parent / "weights_manifest"
DATA = {
    "omniglot": {"steps": 170, "warmup": 0.05, "rate": 2e-3, "decay": 0.05, "labels": 32, "items": 4},
    "grocery": {"steps": 0, "warmup": 0.1, "rate": 1e-3, "decay": 1e-4, "labels": 12, "items": 6},
}


def preprocess(data: str):
    from omlzoo.checkpoints import manifest
    from omlzoo.data.preprocess import Preprocess

    if data == "grocery":
        return manifest.find("resnet_small_omniglot").preprocess
    return Preprocess((64, 64), "squash", (64, 64), "bilinear", True, None, (0.92,) * 3, (0.27,) * 3)


def model_of(data: str):
    """Random weights for Omniglot, the bundled checkpoint for Grocery."""
    from omlzoo import catalog
    from omlzoo.checkpoints import manifest

    if data == "omniglot":
        return catalog.find("models", "resnet_small")()
    from safetensors.torch import load_file

    entry = manifest.find("resnet_small_omniglot")
    model = catalog.find("models", entry.arch)(normalize=entry.normalize, **entry.arch_args)
    state = load_file(BUNDLED / "bundled" / entry.file)
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return model


class Pictures(Dataset):
    def __init__(self, table: Path, data: str) -> None:
        from omlzoo.data.augmentations import augmentation

        frame = pd.read_csv(table)
        frame = frame[frame["split"] == "train"]
        self.files = [table.parent / path for path in frame["path"]]
        self.labels = frame["label"].astype("category").cat.codes.to_numpy()
        self.pre = preprocess(data)
        self.mean, self.std = (torch.tensor(each)[:, None, None] for each in (self.pre.mean, self.pre.std))
        self.augment = augmentation("drawing" if data == "omniglot" else "photo", self.pre)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int):
        pixels = self.augment(Image.open(self.files[row]).convert("RGB")).float() / 255
        return (pixels - self.mean) / self.std, int(self.labels[row])


def train(table: Path, out: Path, name: str, kind: str, seed: int, steps: int) -> None:
    from oml.losses.arcface import ArcFaceLoss
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_hard_tri import HardTripletsMiner
    from oml.samplers.balance import BalanceSampler

    chosen = DATA[name]
    steps = steps or chosen["steps"]
    torch.manual_seed(seed)
    np.random.seed(seed)
    model = model_of(name).train().to(memory_format=torch.channels_last)
    data = Pictures(table, name)
    if kind == "triplet":
        loss = TripletLossWithMiner(margin=0.2, miner=HardTripletsMiner())
    else:
        loss = ArcFaceLoss(in_features=model.dim, num_classes=len(set(data.labels)))
    groups = [{"params": model.parameters()}, {"params": loss.parameters(), "share": 10.0}][: 1 + (kind == "arcface")]
    optimizer = torch.optim.AdamW(groups, lr=chosen["rate"], weight_decay=chosen["decay"])
    loader = DataLoader(
        data, batch_sampler=BalanceSampler(data.labels.tolist(), chosen["labels"], chosen["items"]), num_workers=1
    )
    step, start, rising = 0, time.perf_counter(), max(1, round(chosen["warmup"] * steps))
    while step < steps:  # an epoch of OML's sampler is labels / n_labels batches
        for images, labels in loader:
            if step == steps:
                break
            passed = (step - rising) / max(1, steps - rising)
            rate = (
                chosen["rate"] * (step + 1) / rising if step < rising else chosen["rate"] * (1 + cos(pi * passed)) / 2
            )
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("share", 1.0)
            value = loss(model(images.contiguous(memory_format=torch.channels_last)), labels)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            step += 1
    torch.save(model.state_dict(), out)
    print(f"{kind} {seed}: {step} batches in {time.perf_counter() - start:.0f} s")


def measure(table: Path, out: Path, name: str) -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
    import train_omniglot

    import omlzoo

    model = train_omniglot.start() if name == "omniglot" else omlzoo.get_model("resnet_small_omniglot")
    model.load_state_dict(torch.load(out, weights_only=True))
    metrics = omlzoo.evaluate(model.eval(), table).metrics
    print(out.name, {name: round(metrics[name], 4) for name in ("cmc@1", "map@r")})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", choices=DATA, default="omniglot")
    parser.add_argument("--steps", type=int, default=0, help="as many as ours took; Grocery needs it")
    parser.add_argument("--loss", choices=["triplet", "arcface"], default="triplet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", action="store_true")
    args = parser.parse_args()
    if args.measure:
        measure(args.table, args.out, args.data)
    else:
        train(args.table, args.out, args.data, args.loss, args.seed, args.steps)
