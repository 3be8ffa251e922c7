"""Every augmentation gives pictures of the right size that its generator alone decides."""

import pytest
import torch
from PIL import Image
from toys import PREPROCESS

from omlzoo.data.augmentations import AUGMENTATIONS, Drawing, augmentation
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
