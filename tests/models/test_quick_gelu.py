"""The activation of CLIP."""

import timm.layers
import torch

from omlzoo.models._quick_gelu import QuickGELU


def test_it_is_that_of_timm_to_the_bit() -> None:
    numbers = torch.linspace(-9, 9, 1001)
    assert torch.equal(QuickGELU()(numbers), timm.layers.QuickGELU()(numbers))
