"""Pictures that look wrong: dark, light, blurry, of an odd size or shape, with little in them, or near copies.

Each picture is measured upright, in grey levels (ITU-R 601) of at most 256 pixels on its longer side:

    dark               brightest   99th percentile of the levels, of 255          below 80
    light              darkest     5th percentile of the levels                    above 240
    blurry             sharpness   99th percentile of |4 x level - its four neighbours|,
                                   divided by brightest - darkest                  below 0.1
    low information    entropy     of the histogram of the 256 levels, in bits     below 3
    odd size           side        square root of the pixels of the whole picture  3 x below or above the median
    odd shape          shape       longer side / shorter side                      above 3
    near copies                    see :mod:`omlzoo.data.near_copies`

The limits are those of photographs; a drawing of few strokes on white is light and has little information by nature.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from omlzoo.data.images import Box, read_size, to_rgb
from omlzoo.data.late_picture import Picture
from omlzoo.data.near_copies import Trace, near_copies, trace_of
from omlzoo.data.table import Table
from omlzoo.errors import BadImage
from omlzoo.progress import bar

__all__ = ["RULES", "Quality", "measure", "picture_quality"]

SIDE = 256  # pixels
BRIGHTEST, DARKEST, SHARPNESS, ENTROPY = 80.0, 240.0, 0.1, 3.0
TIMES, SHAPE = 3.0, 3.0
RULES = {
    "dark": f"even the brightest hundredth is below {BRIGHTEST:g} of 255",
    "light": f"nineteen twentieths are above {DARKEST:g} of 255",
    "blurry": f"even the sharpest hundredth differs from its neighbours by less than {SHARPNESS:g} of the contrast",
    "low information": f"the histogram has less than {ENTROPY:g} bits",
    "odd size": f"sides {TIMES:g} times smaller or larger than the median's",
    "odd shape": f"one side more than {SHAPE:g} times the other",
    "near copies": "at most 3 of 64 bits of their hashes differ, and 8 levels of 255 in the mean",
}


@dataclass(frozen=True)
class Quality:
    """What was found in the pictures of a table.

    Attributes:
        measures: A row per picture: brightest, darkest, sharpness, entropy, side, shape, and error: why it could not be
            read, or "". Numbers are NaN then.
        issues: The rows with each issue of ``RULES`` but near copies, the worst first.
        copies: Groups of rows that are near copies, the largest first.
    """

    measures: pd.DataFrame
    issues: dict[str, np.ndarray]
    copies: list[np.ndarray]

    @property
    def unreadable(self) -> np.ndarray:
        """The rows that could not be read."""
        return np.flatnonzero(self.measures["error"] != "")

    @property
    def flagged(self) -> np.ndarray:
        """The rows with an issue, ascending."""
        found: set[int] = set().union(*(rows.tolist() for rows in (*self.issues.values(), *self.copies)))
        return np.array(sorted(found), dtype=np.int64)


def measure(image: Image.Image) -> dict[str, float]:
    """The brightest, darkest, sharpness and entropy of an RGB or grey picture; the module's text has the definitions.

    A picture of one level, or of less than three pixels on a side, has nothing to be sharp: its sharpness is NaN.
    """
    return _measures(_grey(image))


def picture_quality(table: Table, workers: int | None = None, progress: bool = True) -> Quality:
    """The pictures of a table that look wrong. Rows with a box are measured inside it.

    Args:
        table: Its pictures are read once each.
        workers: Threads; as many as there are cores by default.
        progress: Whether to draw a bar where standard error is a terminal.
    """
    jobs = list(zip(table.pictures(), table.boxes(), strict=True))
    measures: list[dict[str, float]] = []
    errors: list[str] = []
    traces: list[Trace | None] = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, bar(len(jobs), "quality", "picture", progress) as shown:
        for found, trace, error in pool.map(_looked_at, jobs):
            measures.append(found)
            traces.append(trace)
            errors.append(error)
            shown.update()
    frame = pd.DataFrame(measures, columns=["brightest", "darkest", "sharpness", "entropy", "side", "shape"])
    return Quality(frame.assign(error=pd.Series(errors, dtype="str")), _issues(frame), _copies(frame, traces))


def _looked_at(job: tuple[Picture, Box | None]) -> tuple[dict[str, float], Trace | None, str]:
    source, box = job
    try:
        size = read_size(source) if not isinstance(source, bytes | Image.Image) and box is None else None
        image = to_rgb(source, box, least=None if box is not None else (SIDE, SIDE))
    except BadImage as error:
        return {}, None, str(error)
    width, height = size or image.size
    grey = _grey(image)
    shape = max(width, height) / min(width, height)
    return {**_measures(grey), "side": float(np.sqrt(width * height)), "shape": shape}, trace_of(grey), ""


def _grey(image: Image.Image) -> Image.Image:
    grey = image.convert("L")
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return grey


def _measures(grey: Image.Image) -> dict[str, float]:
    levels = np.asarray(grey, dtype=np.int32)
    middle = levels[1:-1, 1:-1]
    edges = 4 * middle - levels[:-2, 1:-1] - levels[2:, 1:-1] - levels[1:-1, :-2] - levels[1:-1, 2:]
    shares = np.bincount(levels.flatten(), minlength=256) / levels.size
    shares = shares[shares > 0]
    darkest, brightest = np.percentile(levels, (5, 99))
    told = edges.size and brightest > darkest
    return {
        "brightest": float(brightest),
        "darkest": float(darkest),
        "sharpness": float(np.percentile(np.abs(edges), 99) / (brightest - darkest)) if told else float("nan"),
        "entropy": float(-(shares * np.log2(shares)).sum() + 0.0),
    }


def _issues(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The rows of each issue, the worst first; NaN is none."""
    times = (frame["side"] / frame["side"].median()).to_numpy(dtype=np.float64)
    odd = np.maximum(times, 1 / times)
    found = {
        "dark": BRIGHTEST - frame["brightest"], "light": frame["darkest"] - DARKEST,
        "blurry": SHARPNESS - frame["sharpness"], "low information": ENTROPY - frame["entropy"],
        "odd size": odd - TIMES, "odd shape": frame["shape"] - SHAPE,
    }  # fmt: skip
    return {name: _worst(np.asarray(beyond, dtype=np.float64)) for name, beyond in found.items()}


def _worst(beyond: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(beyond > 0)
    return np.asarray(rows[np.argsort(-beyond[rows], kind="stable")])


def _copies(frame: pd.DataFrame, traces: Sequence[Trace | None]) -> list[np.ndarray]:
    """Groups of near copies; pictures with little information are alike anyway and are left out."""
    told = [row for row, trace in enumerate(traces) if trace is not None and frame["entropy"].iloc[row] >= ENTROPY]
    groups = near_copies([trace for row in told if (trace := traces[row]) is not None])
    return [np.array(told, dtype=np.int64)[group] for group in groups]
