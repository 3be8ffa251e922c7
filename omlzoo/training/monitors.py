"""What is watched while a model learns without labels: whether its vectors stay apart, and in how many directions."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from torch import Tensor

from omlzoo.data.dataset import ImageTable, collate
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.data.views import Views
from omlzoo.metrics.spread import alignment, lidar, rankme, standard_deviation, uniformity
from omlzoo.models._extractor import Extractor, unit
from omlzoo.training.recipe import Recipe
from omlzoo.training.validation import Probe

__all__ = ["Monitor", "collapse", "make_monitor"]

PICTURES, SEEN, TIMES = 512, 48, 4  # pictures that are embedded, those whose views are, and views of each
NARROW, FLAT, FALLEN = 0.02, 0.01, 0.3  # below these shares a run has collapsed
Row = dict[str, float]


@dataclass(frozen=True)
class Monitor:
    """Measures of a model on some of the training pictures; no labels are used.

    Attributes:
        rows: Up to 512 of the pictures.
        views: Views of 48 of them, the same in each epoch.
        probe: Embeds pictures.
        transform: Prepares pixels (B, 3, H, W) uint8 for the model.
        device: The device of the model.
        alarm: Whether the run stops when it collapses.
        warming: Number of epochs in which the learning rate rises.
    """

    rows: Table
    views: ImageTable
    probe: Probe
    transform: Transform
    device: torch.device
    alarm: bool
    warming: int

    def measure(self, model: Extractor) -> Row:
        """The measures of a model, which is set to eval mode.

        Returns:
            "std", the mean standard deviation of the unit vectors times the root of the dimension; "rank", RankMe
            (arXiv 2210.02885); "alignment" and "uniformity" of views (arXiv 2005.10242); "lidar" (arXiv 2312.04000).
        """
        embeddings = self.probe.embed(model, self.rows)
        vectors = embeddings.vectors[embeddings.good]
        if len(vectors) < 2:
            return {}
        found = {"std": standard_deviation(vectors), "rank": rankme(vectors)}
        items = [self.views[(row, seed)] for row in range(len(self.views)) for seed in range(TIMES)]
        pixels, _, rows, _ = collate(items)
        if not isinstance(pixels, list) or len(rows) < 2:
            return found
        with torch.inference_mode():
            images = self.transform.normalize(pixels[0].to(self.device))
            seen: Tensor = unit(torch.cat([model(part).float() for part in torch.split(images, 64)])).cpu()
        ids = rows.numpy()
        return {
            **found, "alignment": alignment(seen, ids), "uniformity": uniformity(seen), "lidar": lidar(seen, ids)
        }  # fmt: skip


def make_monitor(rows: Table, recipe: Recipe, probe: Probe, transform: Transform, can_collapse: bool = True) -> Monitor:
    """The monitor of a run: the same pictures and views in each epoch and each process.

    Args:
        rows: The training rows.
        recipe: The settings, with seed and views.
        probe: Embeds pictures.
        transform: Prepares pixels (B, 3, H, W) uint8 for the model.
        can_collapse: Whether vectors that are all alike are a failure of the objective.
    """
    random = np.random.default_rng((recipe.seed, 11))
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[random.permutation(len(rows))[:PICTURES]] = True
    some = rows.rows(chosen)
    few = some.rows(np.arange(len(some)) < SEEN)
    few = replace(few, frame=few.frame.assign(label=np.arange(len(few))))
    views = ImageTable(few, Views(transform.preprocess, recipe.views, 1))
    warming = ceil(recipe.warmup * recipe.epochs)
    return Monitor(some, views, probe, transform, probe.device, recipe.alarm and can_collapse, warming)


def collapse(history: list[Row], now: Row, flat: float | None, warming: int) -> str | None:
    """What has happened to a model that learns nothing any more, with the remedy; None while it is well.

    Args:
        history: The measures of the epochs before, with "loss".
        now: Those of this epoch.
        flat: The loss of a model that tells nothing apart, where it is known.
        warming: Number of epochs in which the learning rate still rises; a flat loss is no sign in them.
    """
    narrow = min(now.get("std", 1.0), now.get("spread", 1.0))
    if narrow < NARROW:
        return (
            f"all pictures have nearly the same vector (their spread is {narrow:.3f}; 1 is even). Lower lr, check that "
            "the objective has its predictor and teacher, or take an objective with negatives, such as SimCLR"
        )
    rows = [*history[-1:], now]
    late = len(history) >= max(1, warming)
    if flat and late and len(rows) == 2 and all(abs(row["loss"] - flat) < FLAT * flat for row in rows):
        return (
            f"the loss stays at {now['loss']:.3f}, that of outputs which tell nothing apart ({flat:.3f}). Lower lr, "
            "take sharper targets (a lower temperature or epsilon), or fewer prototypes"
        )
    best = max((row["rank"] for row in history if "rank" in row), default=0.0)
    if now.get("rank", best) < FALLEN * best:
        return (
            f"the vectors lie in ever fewer directions (their rank fell from {best:.0f} to {now['rank']:.0f}). Lower "
            "lr, or take milder views"
        )
    return None
