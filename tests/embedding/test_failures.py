"""Pictures without a vector are counted and said once, by the kind of their fault."""

import pytest

from omlzoo.embedding.columns import NOT_FINITE
from omlzoo.embedding.failures import say_failures
from omlzoo.errors import OmlzooWarning


def test_nothing_is_said_where_all_have_a_vector(recwarn: pytest.WarningsRecorder) -> None:
    say_failures(["", ""])
    assert not recwarn.list


def test_unread_pictures_and_those_without_finite_numbers_are_told_apart() -> None:
    with pytest.warns(OmlzooWarning) as said:
        say_failures(["a.png: damaged", "", f"c.png: {NOT_FINITE}", "d.png: empty"])
    assert [str(one.message) for one in said] == [
        "2 of 4 pictures could not be read and have no vector; the first: a.png: damaged",
        f"1 of 4 pictures has no vector, the first: c.png: {NOT_FINITE}",
    ]
