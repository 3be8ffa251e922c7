"""What takes long is said before, what does not is not."""

import warnings

import pytest

from omlzoo.errors import OmlzooWarning
from omlzoo.ops.all_pairs import say_if_long


def test_many_pairs_are_said_and_few_are_not() -> None:
    with pytest.warns(
        OmlzooWarning,
        match=r"evaluation compares 100,000 rows with 100,000, all with all, which takes at least .* minutes",
    ):
        say_if_long("evaluation", 100_000, 100_000, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        say_if_long("evaluation", 60_000, 60_000, 8)
