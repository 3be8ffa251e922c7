"""A bad batch is refused by name."""

import pytest
import torch

from omlzoo.batch import check_batch
from omlzoo.errors import BadInput


def test_shapes_and_numbers() -> None:
    check_batch(torch.ones(3, 2), torch.zeros(3, dtype=torch.long))
    with pytest.raises(BadInput, match=r"have the shapes \(3, 2\) and \(2,\); they must be"):
        check_batch(torch.ones(3, 2), torch.zeros(2))
    with pytest.raises(BadInput, match="2 of 3 rows hold NaN or infinity"):
        check_batch(torch.tensor([[1.0], [torch.nan], [torch.inf]]), torch.zeros(3))
