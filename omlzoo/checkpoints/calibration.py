"""What distances of a model mean: named cut-points, probabilities, and when a query is of no label in the gallery."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omlzoo.errors import BadInput, UnknownName
from omlzoo.files import new_file
from omlzoo.jsonio import build, to_json

if TYPE_CHECKING:  # the manifest is read without it
    import numpy as np

__all__ = ["Calibration", "CutPoint", "Energy", "Probability", "energy"]


@dataclass(frozen=True)
class CutPoint:
    """A threshold with what it does on the rows it was found on.

    Attributes:
        name: Such as "far=0.001".
        rule: What it promises, in words.
        statistic: What is compared: a hit's Euclidean distance, or the energy of a query's hits.
        value: Accepted is what is at most so much.
        of: What the rates are shares of: pairs of pictures, or queries (by their first hit).
        wrong: Share of other-label pairs, or of queries of unknown labels, that are accepted.
        wrong_interval: 95 % bootstrap interval over labels.
        right: Share of same-label pairs, or of queries of known labels whose first hit is right, that are accepted.
        right_interval: The same of it.
    """

    name: str
    rule: str
    statistic: Literal["distance", "energy"]
    value: float
    of: Literal["pairs", "queries"]
    wrong: float
    wrong_interval: tuple[float, float]
    right: float
    right_interval: tuple[float, float]


@dataclass(frozen=True)
class Probability:
    """Chance that a hit at a distance is of the query's label, in a gallery like the one it was measured on.

    Attributes:
        distances: (K,) knots, ascending.
        isotonic: (K,) chances there, falling; between knots on a line, and level outside.
        intercept: Of the logistic curve 1 / (1 + exp(-(intercept + slope x distance))).
        slope: Below 0 where nearer is better.
        hits: How many hits it was fitted to.
        isotonic_error: Expected calibration error of curves that were fitted to the other half of the labels.
        logistic_error: The same of the logistic curve.
        reliability: Mean chance, share that is right, and count, of hits in ten bins of the isotonic curve's chance, of
            curves that were fitted to the other half of the labels.
    """

    distances: tuple[float, ...]
    isotonic: tuple[float, ...]
    intercept: float
    slope: float
    hits: int
    isotonic_error: float
    logistic_error: float
    reliability: tuple[tuple[float, float, int], ...]

    def of(self, distance: "np.ndarray", form: Literal["isotonic", "logistic"] = "isotonic") -> "np.ndarray":
        """Chances of hits at distances, any shape; 0 where there is no hit."""
        import numpy as np

        if form == "isotonic":
            found = np.interp(distance, self.distances, self.isotonic)
        else:
            found = 1 / (1 + np.exp(np.clip(-(self.intercept + self.slope * distance), -700, 700)))
        return np.where(np.isfinite(distance), found, 0.0)


@dataclass(frozen=True)
class Energy:
    """How :func:`energy` was computed.

    Attributes:
        temperature: T, above 0, in units of distance.
        k: How many of the nearest hits count.
    """

    temperature: float
    k: int


@dataclass(frozen=True)
class Calibration:
    """What was found on the validation rows of a table.

    Attributes:
        table: Its name.
        labels: How many it had.
        queries: How many could be right.
        same_pairs: Pairs of one label.
        other_pairs: Pairs of two labels.
        sha256: Of the model's weights; distances of another model mean something else.
        preprocess_hash: Of its preprocessing.
        normalized: Whether embeddings have length 1.
        cut_points: Thresholds by name.
        probability: Of a hit being right.
        energy: Of the cut-points whose statistic it is.
        open_set: How well known and unknown queries are told apart: "auroc distance", "fpr@95tpr energy", ...
    """

    table: str
    labels: int
    queries: int
    same_pairs: int
    other_pairs: int
    sha256: str
    preprocess_hash: str
    normalized: bool
    cut_points: tuple[CutPoint, ...]
    probability: Probability
    energy: Energy
    open_set: dict[str, float]

    def find(self, name: str) -> CutPoint:
        """The cut-point of that name; numbers in names may be written in any way, "far=1e-3" is "far=0.001".

        Raises:
            UnknownName: There is none; those that there are are named.
        """
        by_name = {_plain(each.name): each for each in self.cut_points}
        if _plain(name) not in by_name:
            raise UnknownName("the calibration", name, [each.name for each in self.cut_points])
        return by_name[_plain(name)]

    def check(self, sha256: str, preprocess_hash: str, normalized: bool) -> None:
        """Refuse vectors that it was not measured with.

        Raises:
            BadInput: Something differs; it is named.
        """
        theirs = {"sha256": sha256, "preprocess_hash": preprocess_hash, "normalized": normalized}
        for name, value in theirs.items():
            if getattr(self, name) != value:
                ours = getattr(self, name)
                raise BadInput(f"the calibration is of another model: {name} is {ours} there and {value} here; "
                               "calibrate the model that made these vectors")  # fmt: skip

    def to_json(self) -> str:
        """Everything as JSON."""
        return to_json(asdict(self)) + "\n"

    @staticmethod
    def from_json(raw: Any, where: str) -> "Calibration":
        """The calibration of parsed JSON.

        Raises:
            BadEntry: It does not follow the schema.
        """
        return build(Calibration, raw, where)

    def save(self, path: str | Path) -> None:
        """Write the JSON."""
        with new_file(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")


def energy(distances: "np.ndarray", how: Energy) -> "np.ndarray":
    """Energy (Q,) of the nearest hits' distances (Q, K >= k): -T logsumexp(-distance / T); low where many are near."""
    import numpy as np

    near = distances[:, : how.k].astype(np.float64)
    least = near[:, :1]
    with np.errstate(invalid="ignore"):
        rest = np.exp(-(near - least) / how.temperature).sum(axis=1)
    return np.where(np.isfinite(least[:, 0]), least[:, 0] - how.temperature * np.log(rest), np.inf)


def _plain(name: str) -> str:
    head, mark, number = name.partition("=")
    try:
        return f"{head}={float(number):.12g}" if mark else name
    except ValueError:
        return name
