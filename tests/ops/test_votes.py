"""Votes of the nearest rows equal a loop by eye and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from omlzoo.errors import BadInput
from omlzoo.ops.directions import directions
from omlzoo.ops.votes import check_votes, elect, vote, vote_shares


def test_shares_are_those_of_a_hand_computation() -> None:
    found = vote_shares(torch.tensor([[0.9, 0.8, -torch.inf], [0.5, 0.5, 0.5]]), 0.1)
    first = math.exp(9.0) / (math.exp(9.0) + math.exp(8.0))
    torch.testing.assert_close(found[0], torch.tensor([first, 1 - first, 0.0], dtype=torch.float64), rtol=1e-6, atol=0)
    torch.testing.assert_close(found[1], torch.full((3,), 1 / 3, dtype=torch.float64))
    assert vote_shares(torch.full((1, 2), -torch.inf), 0.1).isnan().all()
    assert vote_shares(torch.tensor([[0.0, -1e6]]), 0.07).tolist() == [[1.0, 0.0]], "large distances do not overflow"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=9))
def test_most_votes_win_and_of_equal_ones_the_nearer(hits: list[tuple[int, int]]) -> None:
    votes: dict[int, int] = {}
    for weight, label in hits:
        votes[label] = votes.get(label, 0) + weight
    wanted = next(label for _, label in hits if votes[label] == max(votes.values()))
    shares = torch.tensor([[float(weight) for weight, _ in hits]], dtype=torch.float64)
    assert elect(shares, torch.tensor([[label for _, label in hits]])).tolist() == [wanted]


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.1), (50, 1.0)])
def test_elections_equal_scikit_learn(k: int, temperature: float) -> None:
    random = np.random.default_rng(k)
    train, queries = (directions(random.normal(size=(count, 6))).astype(np.float32) for count in (50, 40))
    codes = random.integers(0, 7, 50)
    theirs = KNeighborsClassifier(k, weights=lambda d: np.exp((1 - d**2 / 2) / temperature), algorithm="brute")
    theirs.fit(train, codes)
    ours = vote(torch.from_numpy(train), torch.from_numpy(codes), torch.from_numpy(queries), k, temperature)
    np.testing.assert_array_equal(ours.numpy(), theirs.predict(queries))


def test_all_vote_where_there_are_fewer() -> None:
    train, codes = torch.eye(3), torch.tensor([4, 5, 5])
    assert vote(train, codes, torch.ones(1, 3) / 3**0.5, 20, 0.07).tolist() == [5]


@pytest.mark.parametrize(("k", "temperature", "said"), [
    (0, 0.07, "k is 0; it must be at least 1"), (1, 0.0, "temperature is 0.0; it must be"),
    (1, float("nan"), "temperature is nan"), (1, float("inf"), "temperature is inf"),
])  # fmt: skip
def test_wrong_settings_are_refused(k: int, temperature: float, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_votes(k, temperature)
