"""Pairs of views, the value of chosen pairs, and the queue of keys."""

import math

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.objectives._contrast import KeyQueue, agreement, info_nce, masks


def test_pairs_of_two_views_with_a_picture_that_comes_twice() -> None:
    positive, negative = masks(torch.tensor([4, 9, 4]), views=2)
    assert positive.int().tolist() == [
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
    ]
    assert negative[0].int().tolist() == [0, 1, 0, 0, 1, 0]
    assert negative[1].int().tolist() == [1, 0, 1, 1, 0, 1]
    positive, negative = masks(torch.tensor([4, 9, 4]))
    assert positive.int().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert negative.int().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_numbers_of_a_comparison() -> None:
    similarity = torch.tensor([[0.9, 0.1, 0.3], [0.5, 0.2, 0.0]])
    positive = torch.tensor([[True, False, False], [False, True, False]])
    negative = torch.tensor([[False, True, True], [True, False, False]])
    value, numbers = info_nce(similarity, 0.5, positive, negative)
    first = math.log(1 + math.exp((0.1 - 0.9) / 0.5) + math.exp((0.3 - 0.9) / 0.5))
    second = math.log(1 + math.exp((0.5 - 0.2) / 0.5))
    assert value is not None
    assert value.item() == pytest.approx((first + second) / 2, rel=1e-6)
    assert {name: number.item() for name, number in numbers.items()} == pytest.approx({
        "positive_cosine": 0.55, "negative_cosine": 0.3, "accuracy": 0.5, "flat": (math.log(3) + math.log(2)) / 2,
    })  # fmt: skip
    assert info_nce(similarity, 0.5, positive, negative & False) == (None, {})


def test_agreement_of_two_views() -> None:
    left, right = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = agreement(left, right, torch.tensor([0, 1, 0]))
    assert found["positive_cosine"].item() == pytest.approx(1 / 3)
    assert found["negative_cosine"].item() == pytest.approx((1 + 0 + 1 + 1) / 4)  # (0, 1), (1, 0), (1, 2), (2, 1)


def test_a_queue_starts_with_the_same_random_directions_of_nobody() -> None:
    one, two = KeyQueue(5, 3), KeyQueue(5, 3)
    assert one.full
    assert torch.equal(one.bank.embeddings, two.bank.embeddings)
    assert torch.allclose(one.bank.embeddings.norm(dim=1), torch.ones(5))
    assert one.negative(torch.tensor([0, 7])).all()
    assert not KeyQueue(5, 3, random=False).full
    with pytest.raises(BadInput, match="a queue of 0 keys"):
        KeyQueue(0, 3)


def test_the_nearest_key_is_of_another_picture() -> None:
    queue = KeyQueue(3, 2)
    queue.add(torch.tensor([[5.0, 0.0], [0.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 2, 3]))
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    near = queue.nearest(rows, torch.tensor([9, 1]))
    assert near.tolist() == [[1.0, 0.0], pytest.approx([0.6, 0.8])]
    queue.add(torch.ones(3, 2), torch.tensor([1, 1, 1]))
    assert queue.nearest(rows, torch.tensor([1, 1])).equal(rows)


def test_keys_that_change_before_the_backward_pass_do_not_disturb_it() -> None:
    queue, query = KeyQueue(3, 2), torch.ones(1, 2, requires_grad=True)
    wanted = queue.bank.embeddings.sum(dim=0).clone()
    value = queue.similarity(query).sum()
    queue.add(torch.ones(3, 2), torch.arange(3))
    value.backward()
    assert query.grad is not None
    assert torch.allclose(query.grad[0], wanted)
