"""Figures for the pages, drawn by matplotlib as SVG text; without matplotlib there are none, and the page says so."""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

__all__ = ["can_draw", "curves", "distances", "map_of"]

DRAWN, SHOWN = 60_000, 30_000  # pairs that are drawn, and of them shown, of each kind
POINTS = 3_000  # of the map
COLOURED = 10  # labels of the map


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def curves(history: Mapping[str, Sequence[float]], panels: Mapping[str, Sequence[str]]) -> str:
    """Lines over epochs, side by side.

    Args:
        history: Of each name its value in each epoch.
        panels: Of each heading the names it shows; names that the history lacks are left out.
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
    """Histograms of the Euclidean distances (N, D) of pairs of one label and of two, each of area 1."""
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
        apart = np.linalg.norm(vectors[pairs[0]] - vectors[pairs[1]], axis=1)
        if len(apart):
            axis.hist(apart, bins=60, density=True, histtype="step", label=name)
    axis.set(title="Distances of pairs", xlabel="distance")
    axis.legend(frameon=False, fontsize=8)
    return _svg(figure)


def map_of(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> str:
    """The embeddings (N, D) on their first two principal components; the most frequent labels in colour."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(vectors))[:POINTS]
    points = vectors[chosen] - vectors[chosen].mean(axis=0)
    directions = np.linalg.svd(points, full_matrices=False)[2][:2]
    flat = points @ directions.T
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    names, counts = np.unique(labels[chosen], return_counts=True)
    figure, (axis,) = _figure(1)
    axis.scatter(*flat.T, s=4, color="0.8")
    for name in names[np.argsort(-counts, kind="stable")][:COLOURED]:
        axis.scatter(*flat[labels[chosen] == name].T, s=10, label=str(name)[:20])
    axis.set(title="Embeddings, first two principal components", xticks=[], yticks=[])
    axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return _svg(figure)


def _figure(count: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(4.4 * max(1, count), 3), layout="constrained")
    figure.patch.set_alpha(0)
    return figure, [figure.add_subplot(1, count, place + 1) for place in range(count)]


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.hashsalt": "omlzoo"}):  # the same picture is the same text
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return text.getvalue()[text.getvalue().index("<svg") :]
