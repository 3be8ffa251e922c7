"""Every augmentation gives pictures of the right size that its generator alone decides."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from toys import PREPROCESS

from omlzoo.data.augmentations import AUGMENTATIONS, Drawing, augmentation, needed_side
from omlzoo.data.transforms import Transform
from omlzoo.errors import UnknownName


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
@pytest.mark.parametrize("size", [(50, 40), (31, 200)])
def test_size_type_and_repetition(name: str, size: tuple[int, int]) -> None:
    image = Image.effect_noise(size, 80).convert("RGB")
    augment = augmentation(name, PREPROCESS)
    torch.manual_seed(0)
    first = augment(image)
    assert first.shape == (3, 32, 32)
    assert first.dtype == torch.uint8
    torch.manual_seed(0)
    assert torch.equal(augment(image), first)
    assert name == "none" or not torch.equal(augment(image), first)


def test_a_drawing_warp_of_nothing_is_the_evaluation_transform() -> None:
    image = Image.effect_noise((64, 64), 80).convert("RGB")
    still = Drawing(PREPROCESS, turn=0, scale=0, stretch=0, shear=0, shift=0, elastic=0)
    difference = still(image).int() - Transform(PREPROCESS).pixels(image).int()
    assert difference.abs().max() <= 1


def test_an_unknown_name_is_answered() -> None:
    with pytest.raises(UnknownName, match="did you mean photo"):
        augmentation("photos", PREPROCESS)


@pytest.mark.parametrize("name", ["photo", "hypvit", "rich"])
def test_no_crop_of_a_picture_of_the_needed_side_is_enlarged(name: str) -> None:
    side = needed_side(name, PREPROCESS)
    assert side is not None
    assert side >= 64
    shape = augmentation(name, PREPROCESS)
    crop: Any = shape.crop if hasattr(shape, "crop") else shape.steps.transforms[0]  # type: ignore[attr-defined]
    for size in ((side, side), (side, 2 * side), (2 * side, side)):
        for seed in range(40):
            torch.manual_seed(seed)
            drawn = crop.make_params([Image.new("RGB", size)])
            assert min(drawn["height"], drawn["width"]) >= 31, "32, but for the rounding of a side"


def test_the_needed_side_is_twice_what_pictures_or_crops_are_resized_to() -> None:
    larger = replace(PREPROCESS, resize=(40, 36), crop=(32, 30))
    assert needed_side("none", larger) == needed_side("drawing", larger) == 80
    assert needed_side("photo", larger) == 64
    assert needed_side("hypvit", larger) == 83  # 32 / sqrt(0.2 x 0.75)
    sharp = replace(larger, antialias=False)
    assert needed_side("drawing", sharp) is needed_side("none", sharp) is None
    assert needed_side("photo", sharp) == 64
