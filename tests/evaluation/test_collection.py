"""What a collection holds: copies, strangers and kinds of points that can be seen by eye."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput
from omlzoo.evaluation.collection import describe_collection, write_page

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
    write_page(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "near-duplicates, 2" in page
    assert "unlike all others" in page
    assert "6.png" in page


def test_one_image_cannot_be_compared(tmp_path: Path) -> None:
    one = embeddings(tmp_path).rows(np.arange(7) == 0)
    with pytest.raises(BadInput, match="there are 1 rows with a vector; there is nothing to compare"):
        describe_collection(one)
