"""The base of triplet miners checks the batch, gives nothing from nothing, and is printed as its call."""

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.miners._triplet_miner import TripletMiner, Triplets
from omlzoo.ops.pairs import Pairs


class First(TripletMiner):
    """The first positive pair with the first negative, and whether gradients reached it."""

    def __init__(self, margin: float = 0.5) -> None:
        self.margin, self.seen = margin, False

    def mine(self, pairs: Pairs) -> Triplets:
        self.seen = pairs.rows.requires_grad
        a, p = (each[:1] for each in pairs.positive.nonzero(as_tuple=True))
        return a, p, pairs.negative[a].nonzero()[:1, 1]


def test_a_miner_sees_a_checked_batch_without_its_graph() -> None:
    miner, rows = First(), torch.randn(4, 3, requires_grad=True)
    assert [each.tolist() for each in miner(rows, torch.tensor([5, 7, 5, 7]))] == [[0], [2], [1]]
    assert not miner.seen
    others = torch.randn(3, 3), torch.tensor([9, 5, 5])
    assert [each.tolist() for each in miner(rows, torch.tensor([5, 7, 5, 7]), *others)] == [[0], [1], [0]]
    with pytest.raises(BadInput, match="1 of 2 rows hold NaN"):
        miner(torch.tensor([[1.0], [torch.nan]]), torch.zeros(2))


def test_nothing_gives_nothing_and_the_miner_is_printed_as_its_call() -> None:
    assert [len(each) for each in First()(torch.zeros(0, 3), torch.zeros(0))] == [0, 0, 0]
    nothing = torch.zeros(0, 3), torch.zeros(0)
    assert [len(each) for each in First()(torch.zeros(2, 3), torch.zeros(2), *nothing)] == [0, 0, 0]
    assert repr(First(0.2)) == "First(margin=0.2)"
