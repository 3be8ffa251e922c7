"""What samplers that are told the vectors share: the length of an epoch, and checked directions."""

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.samplers._embedding_sampler import EmbeddingSampler


def test_it_has_the_length_of_balanced_and_checks_what_it_is_told() -> None:
    sampler = EmbeddingSampler(list("aabbccc"), 2, 2)
    assert len(sampler) == 2
    assert sampler.neighbours is None
    unit, codes = sampler.directions(3 * torch.eye(7, dtype=torch.float64))
    assert torch.equal(unit, torch.eye(7))
    assert codes.tolist() == [0, 0, 1, 1, 2, 2, 2]
    with pytest.raises(BadInput, match="1 of 7 rows hold NaN"):
        sampler.directions(torch.eye(7).fill_diagonal_(1).index_fill(0, torch.tensor([2]), torch.nan))
    with pytest.raises(BadInput, match="n_labels is 4"):
        EmbeddingSampler(list("aabbccc"), 4, 2)
    with pytest.raises(NotImplementedError):
        sampler.update(torch.eye(7))
