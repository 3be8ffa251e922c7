"""Rows without labels: what a run needs of them is added, and a split that nobody knows is refused."""

from pathlib import Path

import pandas as pd
import pytest

from omlzoo.errors import BadInput
from omlzoo.training.picture_rows import rows_of_pictures


@pytest.fixture
def frame(drawn: Path) -> pd.DataFrame:
    rows = pd.read_csv(drawn)
    return rows.assign(path=[str(drawn.parent / path) for path in rows["path"]])


def test_a_folder_has_labels_only_where_they_are_learned_from(drawn: Path) -> None:
    bare = rows_of_pictures(drawn.parent / "images", None, "pretrain", False).frame
    assert set(bare["label"]) == {""}
    assert set(bare["split"]) == {"train"}
    assert rows_of_pictures(drawn.parent / "images", None, "distil", True).frame["label"].nunique() > 1


@pytest.mark.parametrize("split", ["trian", "test", ""])
def test_a_misspelt_split_is_no_validation_row(frame: pd.DataFrame, split: str) -> None:
    with pytest.raises(BadInput, match=f"split is '{split}' in some rows; it must be train or validation"):
        rows_of_pictures(frame.assign(split=["train"] * (len(frame) - 2) + [split] * 2), None, "pretrain", False)


def test_validation_rows_need_their_roles(frame: pd.DataFrame) -> None:
    with pytest.raises(BadInput, match="validation rows need is_query and is_gallery"):
        rows_of_pictures(frame.drop(columns=["is_query"]), None, "pretrain", False)
