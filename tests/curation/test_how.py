"""What is compared is said: before many rows, in words that tell a graph from all pairs."""

import numpy as np
import pytest

from omlzoo.curation import _how, near_duplicates, outliers
from omlzoo.curation._how import says_how
from omlzoo.errors import OmlzooWarning


def test_all_pairs_of_many_rows_are_said_before_they_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    near_duplicates(vectors, 0.1)  # few: nothing is said
    monkeypatch.setattr(_how, "MANY", 40)
    with pytest.warns(OmlzooWarning, match="near-duplicates: all 50 rows are compared with all others"):
        near_duplicates(vectors, 0.1, exhaustive=True)
    with pytest.warns(OmlzooWarning, match="outliers: of 50 rows those are compared that a graph of neighbours"):
        outliers(vectors)


def test_the_sentence_follows_the_number_of_rows_and_the_wish() -> None:
    assert says_how(20_000) == "all 20,000 rows are compared with all others"
    assert says_how(20_001).endswith("a pair may be missed")
    assert says_how(20_001, True) == "all 20,001 rows are compared with all others"
    assert says_how(10, False).endswith("a pair may be missed")
