"""Calibration of a model's distances: thresholds, probabilities, and the rejection of queries of unknown labels."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omlzoo.errors import BadEntry, BadInput, UnknownName
from omlzoo.files import new_file
from omlzoo.jsonio import build, to_json

if TYPE_CHECKING:  # so that reading the manifest does not import numpy
    import numpy as np

__all__ = ["Calibration", "CutPoint", "Energy", "Probability", "energy"]

MOST = 10_000  # hits that may enter an energy


@dataclass(frozen=True)
class CutPoint:
    """A threshold, and the error rates it has on the rows it was found on.

    Attributes:
        name: Name of the threshold, such as "far=0.001".
        rule: What the threshold promises, in words.
        statistic: The value that is compared with the threshold: the Euclidean distance of a hit, or the energy of a
            query's hits.
        value: The threshold; a statistic of at most this value is accepted.
        of: What the rates are shares of: pairs of pictures, or queries (judged by their first hit).
        wrong: Share of negative pairs, or of queries of unknown labels, that are accepted, in [0, 1].
        wrong_interval: 95 % bootstrap interval of ``wrong``, resampled over labels.
        right: Share of positive pairs, or of queries of known labels whose first hit is right, that are accepted, in
            [0, 1].
        right_interval: 95 % bootstrap interval of ``right``, resampled over labels.
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

    def __post_init__(self) -> None:
        _check_finite(f"the threshold {self.name}", [self.value])
        _check_chances(
            f"the threshold {self.name}", [self.wrong, *self.wrong_interval, self.right, *self.right_interval]
        )


@dataclass(frozen=True)
class Probability:
    """Probability that a hit at a given distance has the query's label, in a gallery like that of the measurement.

    Attributes:
        distances: Knots of the isotonic curve (K,), Euclidean distances in ascending order.
        isotonic: Probabilities at the knots (K,), not increasing. The curve is linear between knots and constant
            outside them.
        intercept: Intercept of the logistic curve 1 / (1 + exp(-(intercept + slope x distance))).
        slope: Slope of the logistic curve, negative where nearer hits are more often right.
        hits: Number of hits that the curves were fitted to.
        isotonic_error: Expected calibration error of the isotonic curve. Each half of the labels is judged by a curve
            that was fitted to the other half.
        logistic_error: Expected calibration error of the logistic curve, measured in the same way.
        reliability: Mean probability, share of right hits and number of hits, for each of ten bins of the isotonic
            curve's probability. Each half of the labels is judged by a curve that was fitted to the other half.
    """

    distances: tuple[float, ...]
    isotonic: tuple[float, ...]
    intercept: float
    slope: float
    hits: int
    isotonic_error: float
    logistic_error: float
    reliability: tuple[tuple[float, float, int], ...]

    def __post_init__(self) -> None:
        _check_finite("probability", [*self.distances, self.intercept, self.slope])
        _check_chances("probability", [*self.isotonic, self.isotonic_error, self.logistic_error])
        for mean, share, _ in self.reliability:
            _check_chances("probability: reliability", [mean, share])
        if not self.distances or len(self.distances) != len(self.isotonic):
            raise BadInput(
                f"probability has {len(self.distances)} distances and {len(self.isotonic)} chances; they must be as "
                "many, and one at least"
            )
        pairs = list(zip(self.distances, self.isotonic, strict=True))
        if any(near[0] > far[0] or near[1] < far[1] for near, far in pairwise(pairs)):
            raise BadInput("probability has distances that fall, or chances that rise; nearer hits come first")

    def of(self, distance: "np.ndarray", form: Literal["isotonic", "logistic"] = "isotonic") -> "np.ndarray":
        """Probabilities that hits at these distances have the query's label, in the shape of ``distance``.

        Args:
            distance: Euclidean distances of any shape; infinite or NaN where there is no hit, which gives 0.
            form: The curve to use, "isotonic" or "logistic".
        """
        import numpy as np

        if form == "isotonic":
            chances = np.interp(distance, self.distances, self.isotonic)
        else:
            chances = 1 / (1 + np.exp(np.clip(-(self.intercept + self.slope * distance), -700, 700)))
        return np.where(np.isfinite(distance), chances, 0.0)


@dataclass(frozen=True)
class Energy:
    """The settings of :func:`energy`.

    Attributes:
        temperature: Temperature T, above 0, in units of distance.
        k: Number of nearest hits that enter the energy.
    """

    temperature: float
    k: int

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf or not 1 <= self.k <= MOST:
            raise BadInput(
                f"energy has temperature {self.temperature} and k {self.k}; the first must be above 0, the second from "
                f"1 to {MOST:,}"
            )


@dataclass(frozen=True)
class Calibration:
    """A calibration, measured on the validation rows of a table.

    Attributes:
        table: Name of the table.
        labels: Number of its labels.
        queries: Number of queries with at least one other row of their label, so that a hit can be right.
        same_pairs: Number of positive pairs.
        other_pairs: Number of negative pairs.
        sha256: sha256 of the model's weights. The calibration does not hold for distances of another model.
        preprocess_hash: Hash of the model's preprocessing.
        normalized: Whether the embeddings were divided by their L2 norm.
        cut_points: The thresholds.
        probability: Probability that a hit is right, by its distance.
        energy: Settings of the energy, for thresholds whose statistic is the energy.
        open_set: Metrics of how well queries of known and of unknown labels are separated, by names such as
            "auroc distance" and "fpr@95tpr energy".
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

    def __post_init__(self) -> None:
        names = [_plain(each.name) for each in self.cut_points]
        if len(set(names)) < len(names):
            raise BadInput(f"the calibration has a threshold twice; its names are {', '.join(names)[:200]}")
        if not all(isinstance(value, int | float) for value in self.open_set.values()):
            raise BadInput("the calibration has an open_set whose values are no numbers")
        _check_finite("the calibration: open_set", self.open_set.values())

    def find(self, name: str) -> CutPoint:
        """The threshold of that name. Numbers in names may be written in any way: "far=1e-3" is "far=0.001".

        Raises:
            UnknownName: There is no threshold of that name; the message lists the names that exist.
        """
        by_name = {_plain(each.name): each for each in self.cut_points}
        if _plain(name) not in by_name:
            raise UnknownName("the calibration", name, [each.name for each in self.cut_points])
        return by_name[_plain(name)]

    def check(self, sha256: str, preprocess_hash: str, normalized: bool) -> None:
        """Check that vectors come from the model that the calibration was measured with.

        Args:
            sha256: sha256 of the weights of the model that made the vectors.
            preprocess_hash: Hash of that model's preprocessing.
            normalized: Whether the vectors were divided by their L2 norm.

        Raises:
            BadInput: One of the three differs; the message names it.
        """
        theirs = {"sha256": sha256, "preprocess_hash": preprocess_hash, "normalized": normalized}
        for name, value in theirs.items():
            if getattr(self, name) != value:
                ours = getattr(self, name)
                raise BadInput(f"the calibration is of another model: {name} is {ours} there and {value} here; "
                               "calibrate the model that made these vectors")  # fmt: skip

    def to_json(self) -> str:
        """The calibration as JSON text."""
        return to_json(asdict(self)) + "\n"

    @staticmethod
    def from_json(raw: Any, where: str) -> "Calibration":
        """Build a calibration from parsed JSON.

        Args:
            raw: What ``json.loads`` gave.
            where: Name of the file, for error messages.

        Raises:
            BadEntry: The JSON does not follow the schema.
        """
        try:
            return build(Calibration, raw, where)
        except BadInput as error:
            raise BadEntry(f"{where}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the calibration to a JSON file."""
        with new_file(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")


def energy(distances: "np.ndarray", how: Energy) -> "np.ndarray":
    """Energy of queries, -T logsumexp(-distance / T) over the k nearest hits; it is low where many hits are near.

    Args:
        distances: Distances of hits (Q, K), ascending in each row, with K >= ``how.k``; infinite where there is no hit.
        how: Temperature T and number k of hits.

    Returns:
        Energies (Q,), infinite for queries without hits.
    """
    import numpy as np

    near = distances[:, : how.k].astype(np.float64)
    least = near[:, :1]
    with np.errstate(invalid="ignore"):
        rest = np.exp(-(near - least) / how.temperature).sum(axis=1)
    return np.where(np.isfinite(least[:, 0]), least[:, 0] - how.temperature * np.log(rest), np.inf)


def _check_finite(what: str, values: Iterable[float]) -> None:
    if not all(map(math.isfinite, values)):
        raise BadInput(f"{what} has a number that is not finite; calibrate again")


def _check_chances(what: str, values: Iterable[float]) -> None:
    if not all(0 <= value <= 1 for value in values):
        raise BadInput(f"{what} has a share or chance outside 0 to 1; calibrate again")


def _plain(name: str) -> str:
    head, mark, number = name.partition("=")
    try:
        return f"{head}={float(number):.12g}" if mark else name
    except ValueError:
        return name
