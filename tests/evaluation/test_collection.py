"""What a collection holds: copies, strangers and kinds of points that can be seen by eye."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput
from omlzoo.evaluation.collection import Collection, describe_collection

POINTS = np.array([[0, 0], [0, 0.01], [0, 1], [10, 0], [10, 1], [10, 2], [99, 99]], dtype=np.float32)


def embeddings(root: Path, failed: int = 0) -> Embeddings:
    names = [f"{number}.png" for number in range(len(POINTS) + failed)]
    for name in names[: len(POINTS)]:
        Image.new("RGB", (8, 8), "red").save(root / name)
    errors = [""] * len(POINTS) + ["broken"] * failed
    vectors = np.concatenate([POINTS, np.full((failed, 2), np.nan, np.float32)])
    table = pd.DataFrame({"path": pd.Series(names, dtype="str"), "error": pd.Series(errors, dtype="str")})
    return Embeddings(vectors, table, Record("m", "x", 2, {}, False, "fp32", str(root)))


def test_copies_strangers_and_kinds_are_those_one_sees(tmp_path: Path) -> None:
    found = describe_collection(embeddings(tmp_path, failed=1), distance=0.1, clusters=3)
    assert [sorted(group.tolist()) for group in found.duplicates] == [[0, 1]]
    assert found.strangest[0] == 6
    assert {tuple(sorted(kind.tolist())) for kind in found.kinds} == {(0, 1, 2), (3, 4, 5), (6,)}
    assert found.failed == 1


def test_near_duplicates_of_several_labels_come_first_then_those_of_several_splits() -> None:
    """Four groups on a line: b is of two labels 0.02 apart, a of two 0.05 apart, c of two splits, d of one of each."""
    places = {"a": (0.0, 0.05), "b": (1.0, 1.02), "c": (2.0, 2.01), "d": (3.0, 3.01, 3.02)}
    rows = [(group, x) for group, xs in places.items() for x in xs]
    labels = ["1", "2", "1", "2", "3", "3", "4", "4", "4"]
    splits = ["train", "validation", "train", "train", "train", "validation", "train", "train", "train"]
    table = pd.DataFrame(
        {"path": [f"{group}{x}.png" for group, x in rows], "label": labels, "split": splits, "error": ""}
    )
    vectors = np.array([[x, 0] for _, x in rows], dtype=np.float32)
    groups = [np.array([6, 7, 8]), np.array([0, 1]), np.array([2, 3]), np.array([4, 5])]
    everything = Embeddings(vectors, table, Record("m", "x", 2, {}, False, "fp32", "."))
    found = Collection(everything, 0.1, groups, np.array([], int), np.zeros(9), [], np.zeros((0, 2)), 0, "all")
    assert {kind: [rows.tolist() for rows in some] for kind, some in found.by_importance().items()} == {
        "labels": [[2, 3], [0, 1]], "splits": [[4, 5]], "rest": [[6, 7, 8]],
    }  # fmt: skip
    bare = Collection(
        Embeddings(vectors, table[["path", "error"]], everything.record), 0.1, groups, np.array([], int), np.zeros(9), [],
        np.zeros((0, 2)), 0, "all",
    )  # fmt: skip
    assert [len(some) for some in bare.by_importance().values()] == [0, 0, 4]


def test_one_image_cannot_be_compared(tmp_path: Path) -> None:
    one = embeddings(tmp_path).rows(np.arange(7) == 0)
    with pytest.raises(BadInput, match="there are 1 rows with a vector; there is nothing to compare"):
        describe_collection(one)
