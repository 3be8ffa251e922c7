"""A calibration for tests."""

from omlzoo.checkpoints.calibration import Calibration, CutPoint, Energy, Probability

CALIBRATION = Calibration(
    table="pictures.csv", labels=5, queries=20, same_pairs=40, other_pairs=400, sha256="a" * 64,
    preprocess_hash="d" * 64, normalized=True,
    cut_points=(
        CutPoint("far=0.001", "at most 0.001 of other-label pairs are accepted", "distance", 0.6, "pairs", 0.001,
                 (0.0, 0.002), 0.7, (0.6, 0.8)),
        CutPoint("energy=0.1", "at most 0.1 of queries of unknown labels are accepted, by energy", "energy", 0.4,
                 "queries", 0.1, (0.05, 0.2), 0.8, (0.7, 0.9)),
    ),
    probability=Probability((0.5, 1.0), (1.0, 0.0), 2.0, -4.0, 200, 0.02, 0.03, ((0.1, 0.2, 100), (0.9, 0.8, 100))),
    energy=Energy(0.1, 10), open_set={"auroc distance": 0.9},
)  # fmt: skip
