"""Charts of the pages: what is drawn, over what, and in words what one sees."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from omlzoo.checkpoints.calibration import Probability
from omlzoo.errors import notice
from omlzoo.pages.charts import Axis, Chart, Series

__all__ = ["chances", "characteristic", "curves", "distances", "drawn", "reliability", "utility"]

DRAWN, SHOWN = 60_000, 30_000  # pairs that are drawn, and of them shown, of each kind
BINS = 60  # of a histogram
POINTS = 300  # of a line


def drawn(draw: Callable[..., Any], *arguments: Any) -> list[Any]:
    """The chart in a list; an empty list and a notice where it cannot be drawn, because no chart may end a run.

    Args:
        draw: A function that makes a chart or a map.
        arguments: What it is called with.
    """
    try:
        return [draw(*arguments)]
    except Exception as error:  # of vectors whose arithmetic fails
        reason = str(error).strip().split("\n")[0]
        notice(f"the figure {draw.__name__} is left out, it cannot be drawn: {type(error).__name__}: {reason:.200}")
        return []


def curves(heading: str, unit: str, history: Mapping[str, Sequence[float]], names: Sequence[str]) -> Chart:
    """Lines over epochs.

    Args:
        heading: The title.
        unit: What the values measure.
        history: The value of each name in each epoch.
        names: The names to draw.
    """
    lines = [
        Series(name, range(1, len(history[name]) + 1), history[name], "dotted" if len(history[name]) < 40 else "line")
        for name in names
    ]
    ends = [f"{name} goes from {values[0]:.4g} to {values[-1]:.4g}" for name in names if len(values := history[name])]
    return Chart(heading, f"By epoch: {'; '.join(ends)}.", Axis("epoch", whole=True), Axis(unit), lines)


def distances(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> Chart:
    """Histograms of the Euclidean distances of positive and negative pairs, each of area 1.

    Args:
        vectors: (N, D) embeddings.
        labels: (N,) labels.
        seed: Seed of the drawing of pairs.
    """
    random = np.random.default_rng(seed)
    order = np.argsort(labels, kind="stable")
    codes = np.unique(labels, return_inverse=True)[1][order]
    starts, sizes = np.searchsorted(codes, codes), np.bincount(codes)[codes]
    first = random.integers(0, len(order), DRAWN)
    near = np.stack([first, starts[first] + random.integers(0, sizes[first])])
    far = random.integers(0, len(order), (2, DRAWN))
    found: dict[str, np.ndarray] = {}
    for name, (left, right), keep in (
        ("same label", near, near[0] != near[1]),
        ("other label", far, codes[far[0]] != codes[far[1]]),
    ):
        pairs = order[left[keep]][:SHOWN], order[right[keep]][:SHOWN]
        difference = torch.from_numpy(vectors[pairs[0]] - vectors[pairs[1]])
        apart = torch.linalg.vector_norm(difference, dim=1, dtype=torch.float64).numpy()
        if len(apart):
            found[name] = apart
    both = np.concatenate([*found.values(), np.zeros(0)])
    edges = np.histogram_bin_edges(both, BINS) if len(both) else np.array([0.0, 1.0])
    middles = (edges[1:] + edges[:-1]) / 2
    colours: dict[str, Literal["right", "wrong"]] = {"same label": "right", "other label": "wrong"}
    lines = [
        Series(name, middles, np.histogram(apart, edges, density=True)[0], "step", colour=colours[name])
        for name, apart in found.items()
    ]
    said = [f"half of the pairs of the {name} are nearer than {np.median(apart):.3g}" for name, apart in found.items()]
    text = "The less the two overlap, the better distances tell labels apart"
    axes = Axis("Euclidean distance"), Axis("density")
    return Chart("Distances of pairs", f"{text}: {', '.join(said)}.", *axes, lines)


def chances(probability: Probability) -> Chart:
    """The chance that a hit is right over its distance, both curves."""
    grid = np.linspace(min(probability.distances), max(probability.distances), 200)
    lines = [
        Series("isotonic", grid, probability.of(grid)),
        Series("logistic", grid, probability.of(grid, "logistic"), colour="quiet"),
    ]
    first, last = probability.of(grid)[[0, -1]]
    ends = f"From {first:.0%} at a distance of {grid[0]:.3g} to {last:.0%} at {grid[-1]:.3g}"
    text = f"{ends}; omlzoo uses the isotonic curve."
    return Chart("Chance that a hit is right", text, Axis("Euclidean distance"), Axis("chance", 0, 1), lines)


def reliability(points: Sequence[tuple[float, float, int]]) -> Chart:
    """Share of right hits over the predicted chance, for labels that the curve was not fitted to.

    Args:
        points: The predicted chance, the share of right hits and the number of hits of each bin.
    """
    predicted, right, counts = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    worst = int(np.argmax(np.abs(predicted - right)))
    lines = [
        Series("as it should be", [0, 1], [0, 1], colour="quiet"),
        Series("as it is", predicted, right, "dots", sizes=6 + 18 * np.sqrt(counts / counts.max())),
    ]
    text = (
        "Hits of labels that the curve was not fitted to; a larger dot has more hits. The dot that is furthest off: "
        f"{predicted[worst]:.0%} was said, {right[worst]:.0%} of {int(counts[worst]):,} hits are right."
    )
    return Chart("Reliability", text, Axis("chance that was said", 0, 1), Axis("share that is right", 0, 1), lines)


def characteristic(far: np.ndarray, tar: np.ndarray) -> Chart:
    """True accept rate (TAR) over false accept rate (FAR), the latter on a logarithmic scale.

    Args:
        far: (T,) false accept rates, from 0 to 1.
        tar: (T,) true accept rates at the same thresholds, from 0 to 1.
    """
    shown = far > 0
    keep = np.unique(np.geomspace(1, shown.sum(), POINTS).astype(int)) - 1 if shown.any() else np.zeros(0, dtype=int)
    x, y = far[shown][keep], tar[shown][keep]
    text = "Pairs of the same label that a threshold accepts, over the pairs of other labels that it accepts too"
    if len(x):
        place = int(np.argmin(np.abs(np.log(x) - np.log(0.01))))
        text += f": where {x[place]:.2%} of the others pass, {y[place]:.1%} of the same do"
    line = Series("accepted", x, y)
    axes = Axis("false accept rate", log=True, high=1), Axis("true accept rate", 0, 1)
    return Chart("Accepted pairs", f"{text}.", *axes, [line])


def utility(distances: np.ndarray, values: np.ndarray) -> Chart:
    """Utility over thresholds: the mean over labels, and the ranges that hold 50 % and 90 % of the labels.

    Args:
        distances: (K,) thresholds.
        values: (T, K) utility of each label at each threshold, from 0 to 1.
    """
    keep = np.unique(np.linspace(0, len(distances) - 1, POINTS).astype(int))
    at, some = distances[keep], values[:, keep]
    mean = some.mean(axis=0)
    bands = [
        Series(name, at, np.quantile(some, low, axis=0), "band", np.quantile(some, high, axis=0))
        for name, low, high in (("90 % of labels", 0.05, 0.95), ("50 % of labels", 0.25, 0.75))
    ]
    best = int(np.argmax(mean))
    text = (
        "How well one threshold serves each label: the harmonic mean of pairs rightly accepted and rightly refused. "
        f"Best on average at {at[best]:.3g}; wide bands mean that labels need thresholds of their own."
    )
    axes = Axis("threshold, Euclidean distance"), Axis("utility", 0, 1)
    return Chart("Utility of one threshold", text, *axes, [*bands, Series("mean", at, mean)])
