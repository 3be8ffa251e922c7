"""Known columns become text to be checked, and then their types."""

import numpy as np
import pandas as pd

from omlzoo.data.table_cells import as_text, as_typed


def test_text_of_cells() -> None:
    frame = pd.DataFrame({
        "path": [" a.jpg", "b.jpg ", None], "label": [1.0, 2.5, np.nan], "category": pd.Categorical(["x ", "y", None]),
        "other": [1, 2, 3],
    })  # fmt: skip
    text = as_text(frame)
    assert text["path"].tolist() == [" a.jpg", "b.jpg ", ""]  # a file's name may begin or end with a space
    assert text["label"].tolist() == ["1", "2.5", ""]
    assert text["category"].tolist() == ["x", "y", ""]
    assert list(text.columns) == ["path", "label", "category"]


def test_types_of_cells() -> None:
    text = pd.DataFrame({
        "path": ["a", "b"], "label": ["1", "-20"], "category": ["007", "8"], "is_query": ["True", "0"],
        "x_1": ["3", ""],
    }, dtype="str")  # fmt: skip
    typed = as_typed(text)
    assert typed["label"].tolist() == [1, -20]
    assert typed["category"].tolist() == ["007", "8"]
    assert typed["is_query"].tolist() == [True, False]
    assert typed["x_1"].tolist() == [3, pd.NA]
