"""The folder is the list."""

import pytest

from omlzoo import catalog
from omlzoo.errors import UnknownName


@pytest.mark.parametrize("room", ["losses", "miners", "samplers", "metrics", "models", "index", "training", "pages"])
def test_a_room_is_not_empty(room: str) -> None:
    assert catalog.names(room)


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"omlzoo.losses has no 'TripleLoss'; did you mean TripletLoss\?"):
        catalog.find("losses", "TripleLoss")
    with pytest.raises(LookupError):
        catalog.find("losses", "xyz")
