"""What the model takes of a loaded batch: one view, several, or outputs of frozen stages."""

import torch
from toys import PREPROCESS

from omlzoo.data.transforms import Transform
from omlzoo.training.inputs import Inputs


def test_one_view_several_and_kept_outputs() -> None:
    inputs = Inputs(Transform(PREPROCESS), torch.device("cpu"))
    pixels = torch.full((2, 3, 32, 32), 255, dtype=torch.uint8)
    (one,) = inputs.views(pixels)
    assert torch.allclose(one, torch.full((2, 3, 32, 32), (1 - 0.5) / 0.25))
    both = inputs.views([pixels, pixels[:, :, :8, :8]])
    assert [tuple(view.shape[2:]) for view in both] == [(32, 32), (8, 8)]
    kept = Inputs(Transform(PREPROCESS), torch.device("cpu"), kept=True)
    assert torch.equal(kept.views(torch.ones(2, 5))[0], torch.ones(2, 5))
