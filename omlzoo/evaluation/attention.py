"""Where an extractor looks: the picture that the model gets, coloured where it contributes most to the embedding."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from omlzoo.models._extractor import Extractor

__all__ = ["attention", "overlay"]

COLOUR = (255, 40, 0)
STRONGEST = 0.65  # opacity of the patch with the largest weight


def attention(model: Extractor, images: Tensor) -> Tensor | None:
    """Weights (B, h, w) of the patches of images, from 0 to 1 in each image, 0 where all are equal.

    For vision transformers with a class token the weight is the attention of the class token to each patch in the last
    block, averaged over the heads (as in DINO, arXiv 2104.14294). For models with a feature map it is the inner product
    of each position with the mean of all positions, cut off at 0. None where the architecture has neither.

    Args:
        model: The extractor.
        images: (B, 3, H, W) preprocessed images, on the device of the model.
    """
    model = getattr(model, "body", model)  # of a projection
    with torch.inference_mode():
        blocks: Any = getattr(model, "blocks", None)
        if blocks is not None and model.steps() and hasattr(model, "cls_token"):
            token_attention = _of_class_token(blocks[-1], model.until(images, len(blocks)))
            patch = int(getattr(model, "patch"))  # noqa: B009
            height, width = images.shape[2] // patch, images.shape[3] // patch
            weights = token_attention[:, -height * width :].view(-1, height, width)
        else:
            map_: Tensor | None = model.embed(images).get("map")
            if map_ is None:
                return None
            weights = (map_ * map_.mean(dim=(2, 3), keepdim=True)).sum(dim=1).relu()
        lowest, highest = weights.amin(dim=(1, 2), keepdim=True), weights.amax(dim=(1, 2), keepdim=True)
        scaled: Tensor = (weights - lowest) / (highest - lowest).clamp(min=1e-12)
        return scaled


def overlay(model: Extractor, image: Image.Image) -> Image.Image | None:
    """The picture as the model gets it, coloured where :func:`attention` is large; None where the model has none.

    Args:
        model: The extractor, which must have an entry.
        image: The picture before preprocessing.
    """
    pixels = model.transforms()(image)
    weights = attention(model, pixels[None].to(next(model.parameters()).device))
    if weights is None:
        return None
    preprocess = model.entry.preprocess
    mean, std = (torch.tensor(value)[:, None, None] for value in (preprocess.mean, preprocess.std))
    model_input = functional.to_pil_image((pixels * std + mean).clamp(0, 1))
    strength = functional.to_pil_image(weights[0].cpu() * STRONGEST).resize(model_input.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", model_input.size, COLOUR), model_input, strength.convert("L"))


def _of_class_token(block: Any, tokens: Tensor) -> Tensor:
    """Attention (B, S) of the first of the tokens (B, S, width) to each token in a block, averaged over heads."""
    attend = block.attn
    mixed = attend.qkv(block.norm1(tokens)).view(*tokens.shape[:2], 3, attend.num_heads, -1)
    query, key, _ = mixed.permute(2, 0, 3, 1, 4)  # (B, heads, S, each)
    products = query[:, :, :1] @ key.transpose(2, 3) * query.shape[3] ** -0.5
    paid: Tensor = products.softmax(dim=3).mean(dim=1)[:, 0]
    return paid
