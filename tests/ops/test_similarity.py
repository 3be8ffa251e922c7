"""The kinds of similarity."""

from typing import get_args

from omlzoo.ops.similarity import Similarity


def test_there_are_two() -> None:
    assert get_args(Similarity) == ("cosine", "euclidean")
