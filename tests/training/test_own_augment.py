"""Augmentations of users: PIL, tensor or array out, of the model's size, decided by the item's seed."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from omlzoo.errors import BadInput
from omlzoo.training.own_augment import OwnAugment, OwnViews

IMAGE = Image.fromarray(np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3))
SMALL = IMAGE.resize((8, 6))  # 6 high, 8 wide


@pytest.mark.parametrize("give", [
    lambda image: image.resize((8, 6)), lambda image: np.asarray(image.resize((8, 6))),
    lambda image: torch.from_numpy(np.array(image.resize((8, 6)))).movedim(2, 0),
    v2.Compose([v2.Resize((6, 8), interpolation=Image.Resampling.BICUBIC), v2.PILToTensor()]),
], ids=["PIL", "array", "tensor", "torchvision"])  # fmt: skip
def test_every_kind_of_picture_gives_the_same_pixels(give: Any) -> None:
    pixels = OwnAugment(give, (6, 8), "mine")(IMAGE)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, torch.from_numpy(np.array(SMALL)).movedim(2, 0))


@pytest.mark.parametrize(("give", "message"), [
    (lambda image: image, r"augment mine returned 40 x 30 pixels; the model takes 6 x 8 \(height x width\)"),
    (lambda image: image.resize((8, 6)).convert("L"), "returned a PIL image in L; it must return"),
    (lambda image: torch.zeros(3, 6, 8), "returned float32; .*pixels are normalised afterwards"),
    (lambda image: np.zeros((6, 8, 3)), "returned float64; it must return"),
    (lambda image: np.zeros((3, 6, 8), np.uint8), r"returned the shape \(3, 6, 8\)"),
    (lambda image: torch.zeros(1, 6, 8, dtype=torch.uint8), r"returned the shape \(1, 6, 8\)"),
    (lambda image: None, "returned NoneType"),
    (lambda image: 1 / 0, "augment mine raised an error: ZeroDivisionError"),
])  # fmt: skip
def test_what_the_model_cannot_take_is_refused_in_one_line(give: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        OwnAugment(give, (6, 8), "mine")(IMAGE)
    assert "\n" not in str(caught.value)


def test_its_random_numbers_are_the_items() -> None:
    def noisy(image: Image.Image) -> np.ndarray:
        noise = random.randrange(99) + np.random.randint(99) + int(torch.randint(50, ()))
        return np.full((6, 8, 3), noise, np.uint8)

    own = OwnAugment(noisy, (6, 8), "mine")
    found = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        random.random(), np.random.rand()
        found.append(int(own(IMAGE)[0, 0, 0]))
    assert found[0] == found[2] != found[1]
    views = OwnViews(own, 3)(IMAGE)
    assert len({int(view[0, 0, 0]) for view in views}) > 1


def test_albumentations_is_called_as_it_wants() -> None:
    theirs = pytest.importorskip("albumentations", reason="albumentations is not installed")
    own = OwnAugment(theirs.Compose([theirs.Resize(6, 8), theirs.HorizontalFlip(p=0.5)]), (6, 8), "mine")
    found = []
    for seed in (1, 2, 3, 4, 5, 1):
        torch.manual_seed(seed)
        found.append(own(IMAGE).numpy().tobytes())
    assert found[0] == found[5]
    assert len(set(found)) == 2, "mirrored or not"
