"""Figures for the pages as SVG text. They need matplotlib; without it the pages say that there are none."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from omlzoo.checkpoints.calibration import Probability
from omlzoo.errors import notice
from omlzoo.pages.labels import shortened

__all__ = [
    "can_draw",
    "chances",
    "characteristic",
    "curves",
    "distances",
    "drawn",
    "map_of",
    "map_of_kinds",
    "reliability",
    "utility",
]

DRAWN, SHOWN = 60_000, 30_000  # pairs that are drawn, and of them shown, of each kind
POINTS = 3_000  # of the map
COLOURED = 10  # labels of the map
LETTERS = 20  # of a label in a legend


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def drawn(draw: Callable[..., str], *arguments: Any) -> list[str]:
    """The figure in a list; an empty list and a notice where it cannot be drawn, because no figure may end a run.

    Args:
        draw: One of the functions of this file.
        arguments: What it is called with.
    """
    try:
        return [draw(*arguments)]
    except Exception as error:  # whatever matplotlib raises
        reason = str(error).strip().split("\n")[0]
        notice(f"the figure {draw.__name__} is left out, it cannot be drawn: {type(error).__name__}: {reason:.200}")
        return []


def curves(history: Mapping[str, Sequence[float]], panels: Mapping[str, Sequence[str]]) -> str:
    """Lines over epochs, side by side.

    Args:
        history: The value of each name in each epoch.
        panels: The names under each heading; names that the history lacks are left out.
    """
    shown = {heading: [name for name in names if name in history] for heading, names in panels.items()}
    shown = {heading: names for heading, names in shown.items() if names}
    figure, axes = _figure(len(shown))
    for axis, (heading, names) in zip(axes, shown.items(), strict=True):
        for name in names:
            values = list(history[name])
            axis.plot(range(1, len(values) + 1), values, marker="." if len(values) < 40 else "", label=name)
        axis.set(title=heading, xlabel="epoch")
        if len(names) > 1:
            axis.legend(frameon=False, fontsize=8)
    return _svg(figure)


def distances(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> str:
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
    figure, (axis,) = _figure(1)
    for name, (left, right), keep in (
        ("same label", near, near[0] != near[1]),
        ("other label", far, codes[far[0]] != codes[far[1]]),
    ):
        pairs = order[left[keep]][:SHOWN], order[right[keep]][:SHOWN]
        difference = torch.from_numpy(vectors[pairs[0]] - vectors[pairs[1]])
        apart = torch.linalg.vector_norm(difference, dim=1, dtype=torch.float64).numpy()
        if len(apart):
            axis.hist(apart, bins=60, density=True, histtype="step", label=name)
    axis.set(title="Distances of pairs", xlabel="distance")
    axis.legend(frameon=False, fontsize=8)
    return _svg(figure)


def map_of(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> str:
    """The embeddings on their first two principal components; the most frequent labels in colour.

    Args:
        vectors: (N, D) embeddings.
        labels: (N,) labels.
        seed: Seed of the drawing of rows, where there are too many.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(vectors))[:POINTS]
    points = vectors[chosen] - vectors[chosen].mean(axis=0)
    directions = np.linalg.svd(points, full_matrices=False)[2][:2]
    flat = points @ directions.T
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    names, counts = np.unique(labels[chosen], return_counts=True)
    figure, (axis,) = _figure(1)
    axis.scatter(*flat.T, s=4, color="0.8")
    shown = names[np.argsort(-counts, kind="stable")][:COLOURED]
    dots = [axis.scatter(*flat[labels[chosen] == name].T, s=10) for name in shown]
    axis.set(title="Embeddings, first two principal components", xticks=[], yticks=[])
    legend = axis.legend(
        dots, ["label"] * len(dots), frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    for text, name in zip(legend.get_texts(), shown, strict=True):  # afterwards: a legend hides labels such as "_a"
        text.set_parse_math(False)
        text.set_text(shortened(name, LETTERS))
    return _svg(figure)


def map_of_kinds(
    vectors: np.ndarray, members: Sequence[np.ndarray], centres: np.ndarray, pictures: Sequence[np.ndarray | None]
) -> str:
    """Clusters on the two directions in which their centres differ most.

    Each dot is a row. Over each centre is a picture, larger for a larger cluster.

    Args:
        vectors: (N, D) embeddings.
        members: K arrays of row numbers, one for each cluster, the most central row first.
        centres: (K, D) centres of the clusters.
        pictures: K pictures (H, W, 3) uint8; None where there is none.
    """
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    sizes = np.array([len(rows) for rows in members])
    origin = np.average(centres, axis=0, weights=sizes)
    directions = np.linalg.svd((centres - origin) * np.sqrt(sizes)[:, None], full_matrices=False)[2][:2]
    directions = np.pad(directions, ((0, 2 - len(directions)), (0, 0)))
    figure, (axis,) = _figure(1, (8.8, 6))
    for rows in members:
        shown = rows[:: -(-len(vectors) // POINTS)]  # the nearest to the centre comes first
        axis.scatter(*((vectors[shown] - origin) @ directions.T).T, s=6, alpha=0.6)
    for centre, picture, size in zip((centres - origin) @ directions.T, pictures, sizes, strict=True):
        if picture is not None:
            zoom = (16 + 28 * np.sqrt(size / sizes.max())) / max(picture.shape)
            axis.add_artist(AnnotationBbox(OffsetImage(picture, zoom=zoom), centre, pad=0.1))
    axis.set(title="Kinds of pictures, where they differ most", xticks=[], yticks=[])
    return _svg(figure)


def chances(probability: Probability) -> str:
    """The chance that a hit is right over its distance, both curves."""
    figure, (axis,) = _figure(1)
    grid = np.linspace(min(probability.distances), max(probability.distances), 200)
    axis.plot(grid, probability.of(grid), label="isotonic")
    axis.plot(grid, probability.of(grid, "logistic"), label="logistic")
    axis.set(title="Chance that a hit is right", xlabel="distance", ylim=(-0.02, 1.02))
    axis.legend(frameon=False, fontsize=8)
    return _svg(figure)


def reliability(points: Sequence[tuple[float, float, int]]) -> str:
    """Share of right hits over the predicted chance, for labels that the curve was not fitted to.

    Args:
        points: The predicted chance, the share of right hits and the number of hits of each bin.
    """
    figure, (axis,) = _figure(1)
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    predicted, right, counts = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    axis.plot(predicted, right, linewidth=1)
    axis.scatter(predicted, right, s=8 + 60 * counts / counts.max())
    axis.set(title="Reliability", xlabel="chance that was said", ylabel="share that is right")
    return _svg(figure)


def characteristic(far: np.ndarray, tar: np.ndarray) -> str:
    """True accept rate (TAR) over false accept rate (FAR), the latter on a logarithmic scale.

    Args:
        far: (T,) false accept rates, from 0 to 1.
        tar: (T,) true accept rates at the same thresholds, from 0 to 1.
    """
    figure, (axis,) = _figure(1)
    shown = far > 0
    if shown.any():
        keep = np.unique(np.geomspace(1, shown.sum(), 400).astype(int)) - 1
        axis.semilogx(far[shown][keep], tar[shown][keep])
    axis.set(title="Accepted pairs", xlabel="false accept rate", ylabel="true accept rate", ylim=(-0.02, 1.02))
    return _svg(figure)


def utility(distances: np.ndarray, values: np.ndarray) -> str:
    """Utility over thresholds: the mean over labels, and the ranges that hold 50 % and 90 % of the labels.

    Args:
        distances: (K,) thresholds.
        values: (T, K) utility of each label at each threshold, from 0 to 1.
    """
    figure, (axis,) = _figure(1)
    for low, high in ((0.05, 0.95), (0.25, 0.75)):
        axis.fill_between(distances, *np.quantile(values, [low, high], axis=0), color="C0", alpha=0.2, linewidth=0)
    axis.plot(distances, values.mean(axis=0))
    axis.set(title="Utility of labels: mean, 50 %, 90 %", xlabel="threshold", ylim=(-0.02, 1.02))
    return _svg(figure)


def _figure(count: int, size: tuple[float, float] = (4.4, 3)) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(size[0] * max(1, count), size[1]), layout="constrained")
    figure.patch.set_alpha(0)
    return figure, [figure.add_subplot(1, count, number + 1) for number in range(count)]


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    text = io.StringIO()
    settings: dict[Any, Any] = {"svg.hashsalt": "omlzoo"}  # the same picture is the same text
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context(settings), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(text, format="svg", metadata=metadata)
    if any("missing from font" in str(each.message) for each in said):  # then the browser's fonts write the words
        text = io.StringIO()
        with rc_context({**settings, "svg.fonttype": "none"}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure.savefig(text, format="svg", metadata=metadata)
    return text.getvalue()[text.getvalue().index("<svg") :]
