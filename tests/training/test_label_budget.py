"""A budget of labels: drawn by the seed, evenly from the categories, each label with all its pictures."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omlzoo
from omlzoo.data.table import Table
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.training.label_budget import draw_labels, within_budget


def rows(categories: list[int]) -> pd.DataFrame:
    """Two pictures of each of as many labels in each category as the numbers say."""
    pairs = [(f"label {k}-{i}", f"category {k}") for k, count in enumerate(categories) for i in range(count)] * 2
    return pd.DataFrame(pairs, columns=["label", "category"]).assign(split="train")


@settings(max_examples=40)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 12), st.integers(0, 3))
def test_categories_have_as_even_shares_as_they_can(sizes: list[int], count: int, seed: int) -> None:
    frame = rows(sizes)
    drawn = draw_labels(frame, count, seed)
    assert len(drawn) == len(set(drawn)) == min(count, sum(sizes))
    got = [sum(name.startswith(f"label {k}-") for name in drawn) for k in range(len(sizes))]
    for ours, size in zip(got, sizes, strict=True):
        for other in got:
            assert ours >= other - 1 or ours == size, "only a category without more labels has two fewer"


@settings(max_examples=40)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3), st.booleans())
def test_a_smaller_draw_is_part_of_a_larger_one_in_any_order_of_rows(
    few: int, more: int, seed: int, by_category: bool
) -> None:
    frame = rows([3, 1, 5]) if by_category else rows([3, 1, 5]).drop(columns="category")
    drawn = draw_labels(frame, few + more, seed)
    assert draw_labels(frame, few, seed) == drawn[:few]
    assert draw_labels(frame.iloc[::-1].reset_index(drop=True), few + more, seed) == drawn


def test_other_rows_are_left_out_or_lose_their_label() -> None:
    frame = pd.concat([rows([4, 4]), rows([1]).assign(split="validation")], ignore_index=True)
    whole = Table(frame.assign(path=[f"{n}.png" for n in range(len(frame))]), Path(), "table")
    assert within_budget(whole, 1, 0) == (whole, "")
    kept, text = within_budget(whole, 0.5, 0)
    train = kept.frame[kept.frame["split"] == "train"]
    assert train["label"].value_counts().tolist() == [2, 2, 2, 2]
    assert train["category"].value_counts().tolist() == [4, 4]
    assert (kept.frame["split"] == "validation").sum() == 2
    assert text == "4 of 8 (labels = 0.5, seed = 0), 8 of 16 pictures"
    blank, said = within_budget(whole, 0.5, 0, keep_rows=True)
    assert said == text
    assert len(blank) == len(whole)
    assert set(blank.frame["label"]) - {""} == set(kept.frame["label"])
    assert (within_budget(whole, 0, 0, keep_rows=True)[0].frame["label"] == "").sum() == 16
    with pytest.raises(BadInput, match=r"labels is 0\.1, which is 1 of 8 training labels; give 0\.25 or more"):
        within_budget(whole, 0.1, 0)


def test_finetune_learns_from_a_share_of_the_labels(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    run = omlzoo.finetune(model, drawn, out=tmp_path / "run", labels=0.5, epochs=1, log="none", augment="none",
                          selection=0.0, n_instances=2, n_labels=4)  # fmt: skip
    assert run.report.facts["labels drawn"] == "12 of 24 (labels = 0.5, seed = 0), 60 of 120 pictures"
    assert (run.report.facts["training labels"], run.report.facts["training pictures"]) == (12, 60)
    assert "labels = 0.5\n" in (run.folder / "recipe.toml").read_text()
    with pytest.raises(BadInput, match="teacher_weight is 0.5, which distil takes"):
        omlzoo.finetune(model, drawn, out=tmp_path / "other", teacher_weight=0.5)
    with pytest.raises(BadInput, match="labels is 0.5, which finetune and distil take; pretrain has no use for it"):
        omlzoo.pretrain(model, drawn, out=tmp_path / "pre", labels=0.5, objective="SimCLR", log="none")
