"""What re-ranking and post-processing gain and cost on a table: CMC@1, MAP@R, full-list AP, seconds.

    python scripts/rerank_gain.py resnet_small_omniglot ../shared/data/omniglot/omniglot.csv
    python scripts/rerank_gain.py MODEL TABLE --siamese 300      # also train a scorer of pairs for so many seconds

Half of the validation rows of each label are queries, the others the gallery.
"""

import argparse
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

import omlzoo
from omlzoo.data import table as tables
from omlzoo.data.dataset import ImageTable, Seeded, collate
from omlzoo.data.images import to_rgb
from omlzoo.data.transforms import Transform
from omlzoo.miners import HardTriplets
from omlzoo.models._extractor import Extractor
from omlzoo.ops.nearest import nearest
from omlzoo.rerank import PairScorer, PairwiseLoss, by_pairs, expand, k_reciprocal
from omlzoo.samplers import Balanced
from omlzoo.training.loop import train_epoch
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization

Ranking = Callable[[], np.ndarray]


def measures(ids: np.ndarray, queries: np.ndarray, gallery: np.ndarray) -> tuple[float, float, float]:
    """CMC@1, MAP@R and AP of whole lists of gallery rows (Q, G)."""
    right = gallery[ids] == queries[:, None]
    relevant = right.sum(axis=1)
    precision = right.cumsum(axis=1) / np.arange(1, ids.shape[1] + 1)
    within = np.arange(ids.shape[1]) < relevant[:, None]
    map_at_r = (precision * right * within).sum(axis=1) / relevant
    return float(right[:, 0].mean()), float(map_at_r.mean()), float(((precision * right).sum(axis=1) / relevant).mean())


def by_distance(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    left, right = torch.from_numpy(queries), torch.from_numpy(gallery)
    return nearest(left, right, len(gallery), similarity="euclidean")[1].numpy()


def scorer_of(model: Extractor, name: str, train: tables.Table, seconds: float) -> PairScorer:
    """A scorer that starts from the model's weights, trained on the train rows for so long."""
    body = omlzoo.get_model(name)
    scorer = PairScorer(body, body.dim)
    transform = Transform(model.entry.preprocess)
    loss = PairwiseLoss(scorer, model, HardTriplets())
    work = Optimization(
        nn.Identity(), Supervised(loss), Recipe(loss_lr=1.0, lr=3e-4, schedule="constant"), 1000, "fp32"
    )
    data = ImageTable(train, transform.pixels)
    batches = Seeded(Balanced(train.frame["label"].tolist(), 16, 4), 0)
    scorer.train()
    start = time.perf_counter()
    for epoch in count():
        batches.set_epoch(epoch)
        for batch in DataLoader(data, batch_sampler=batches, collate_fn=collate):
            train_epoch(work, [batch], lambda pixels: [transform.normalize(pixels)])  # type: ignore[arg-type]
            if time.perf_counter() - start > seconds:
                break
        if time.perf_counter() - start > seconds:
            break
    print(f"scorer: {work.steps} steps, {loss.stats['right']:.2f} of the last batch's pairs right")
    return scorer.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("table", type=Path)
    parser.add_argument("--siamese", type=float, default=0.0, help="seconds of training")
    args = parser.parse_args()
    model = omlzoo.get_model(args.model)
    rows = tables.read(args.table, "train")
    validation = rows.rows((rows.frame["split"] == "validation").to_numpy())
    order = validation.frame.groupby("label").cumcount().to_numpy()
    found = omlzoo.embed(model, validation.frame, root=validation.root)
    labels = validation.frame["label"].to_numpy()
    keep = validation.frame.groupby("label")["label"].transform("size").to_numpy() > 1
    is_query = (order % 2 == 0) & keep
    queries, gallery = found.vectors[is_query], found.vectors[(order % 2 == 1) & keep]
    asked, have = labels[is_query], labels[(order % 2 == 1) & keep]
    augmented = expand(gallery, gallery, k=3, own=np.arange(len(gallery)))
    cases: dict[str, Ranking] = {
        "distance": lambda: by_distance(queries, gallery),
        "query expansion, k 3": lambda: by_distance(expand(queries, gallery, k=3), gallery),
        "database augmentation, k 3": lambda: by_distance(
            queries, expand(gallery, gallery, k=3, own=np.arange(len(gallery)))
        ),
        "both": lambda: by_distance(expand(queries, augmented, k=3), augmented),
        "k-reciprocal": lambda: k_reciprocal(queries, gallery, len(gallery))[1],
    }
    if args.siamese:
        files = [each for each, use in zip(validation.files(), is_query, strict=True) if use]
        others = [each for each, use in zip(validation.files(), (order % 2 == 1) & keep, strict=True) if use]
        train = rows.rows((rows.frame["split"] == "train").to_numpy())
        scorer = scorer_of(model, args.model, train, args.siamese)

        def score(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                pairs = [torch.stack([model.transforms()(to_rgb(names[row])) for row in places])
                         for names, places in ((files, left), (others, right))]  # fmt: skip
                return np.asarray(scorer(*pairs).numpy())

        cases["scorer of pairs, first 5"] = lambda: by_pairs(by_distance(queries, gallery), score, top=5)
    print(f"{len(queries)} queries, {len(gallery)} gallery rows\n")
    print("| order | CMC@1 | MAP@R | AP | seconds |\n|---|---|---|---|---|")
    for name, ranking in cases.items():
        start = time.perf_counter()
        ids = ranking()
        seconds = time.perf_counter() - start
        values = " | ".join(f"{value:.4f}" for value in measures(ids, asked, have))
        print(f"| {name} | {values} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
