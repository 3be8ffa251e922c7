"""A model that is called with anything but a batch of floats says what to do instead."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.errors import BadInput

PICTURE = Image.new("RGB", (40, 40), "red")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PICTURE, r"not a Image; give pictures to model\.encode\(pictures\)"),
        ([PICTURE] * 3, "not a list of 3"),
        ("a.jpg", "not a str of 5"),
        (np.zeros((1, 32, 32, 3)), "not a ndarray; give pictures"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), r"torch\.uint8; a model takes normalised floats"),
        (torch.zeros(3, 32, 32), r"\(3, 32, 32\); a model takes \(B, 3, H, W\); one image is image\[None\]"),
        (torch.zeros(1, 1, 32, 32), r"\(1, 1, 32, 32\); a model takes"),
        (torch.zeros(1, 32, 32, 3), r"move the channels: images\.permute\(0, 3, 1, 2\)"),
    ],
)
def test_what_is_no_batch_is_refused_in_one_sentence(given: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        toy("resnet_toy")(given)


def test_encode_gives_the_vectors_of_embed(tmp_path: Any) -> None:
    model = toy("resnet_toy")
    PICTURE.save(tmp_path / "a.png")
    by_hand = model(model.transforms()(PICTURE)[None]).detach().numpy()
    for pictures in (PICTURE, [PICTURE], [tmp_path / "a.png"], np.asarray(PICTURE)[None]):
        found = model.encode(pictures, progress=False, precision="fp32")
        assert found.dtype == np.float32
        assert found == pytest.approx(by_hand, abs=1e-5)


def test_a_module_of_ones_own_is_wrapped_first() -> None:
    for module, said in (
        (torch.nn.Linear(2, 2), "wrap it: omlzoo.wrap"),
        (torch.nn.DataParallel(toy("resnet_toy")), "give the .module in it"),
    ):
        with pytest.raises(BadInput, match=said):
            omlzoo.embed(module, [PICTURE])  # type: ignore[arg-type]
