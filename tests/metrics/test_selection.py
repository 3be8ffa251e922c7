"""Flags and ids as users give them."""

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.metrics._selection import select


def test_ids_of_any_kind_become_codes_and_flags_rows() -> None:
    found = select(4, ["b", "a", "b", "c"], torch.tensor([1, 0, 0, 1]), [False, True, True, True], ["x", "", None, "x"])
    assert found.labels.tolist() == [0, 1, 0, 2]
    assert (found.queries.tolist(), found.gallery.tolist()) == ([0, 3], [1, 2, 3])
    assert found.sequences is not None
    assert found.sequences[[1, 2]].tolist() == [-1, -1]
    assert found.sequences[0] == found.sequences[3] >= 0
    assert not found.symmetric
    assert select(2, [0, 1]).symmetric


def test_a_camera_hides_only_rows_of_the_same_label() -> None:
    found = select(5, [0, 0, 1, 1, 0], cameras=["l", "l", "l", "r", "r"]).sequences
    assert found is not None
    assert found[0] == found[1]
    assert len({found[0], found[2], found[3], found[4]}) == 4


@pytest.mark.parametrize(("given", "message"), [
    ({"labels": [0]}, r"labels have the shape \(1,\); it must be \(2,\)"),
    ({"labels": [0, None]}, "labels: 1 are missing"),
    ({"labels": [0, 1], "is_query": [0, 2]}, "is_query holds 2; use True and False"),
    ({"labels": [0, 1], "is_gallery": [0, 0]}, "is_gallery is true nowhere"),
    ({"labels": [0, 1], "sequences": [0, 1], "cameras": [0, 1]}, "sequences and cameras are both given"),
])  # fmt: skip
def test_what_cannot_be_is_refused(given: dict[str, list[int]], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        select(2, **{key: np.array(value) for key, value in given.items()})
