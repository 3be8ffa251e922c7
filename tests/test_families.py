"""Families whose bodies timm builds: their embeddings by the authors' pooling, and the authors' preprocessing."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as T
from torchvision.transforms import v2

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.data.transforms import Transform
from omlzoo.models._architecture import architecture
from omlzoo.zoo.fingerprint import picture

Pooling = Callable[[Any, Tensor], Tensor]
NAMES = [name for name in manifest.names() if manifest.find(name).arch.startswith("timm:")]
BICUBIC, BILINEAR = T.InterpolationMode.BICUBIC, T.InterpolationMode.BILINEAR
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF, IMAGENET = ((0.5,) * 3, (0.5,) * 3), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PICTURES = [picture(), picture().resize((90, 300)), Image.new("RGB", (300, 40), (9, 80, 200))]


def projected(model: Any, first: Tensor) -> Tensor:
    return first @ model.head.weight.T + model.head.bias


def class_token(model: Any, tokens: Tensor) -> Tensor:
    return tokens[:, 0]


def projected_class_token(model: Any, tokens: Tensor) -> Tensor:
    return projected(model, tokens[:, 0])


def attention(model: Any, tokens: Tensor) -> Tensor:
    """Softmax attention of one learned query over all tokens, and the residual layer after it (arXiv 2303.15343)."""
    pool = model.attn_pool
    batch, _, width = tokens.shape
    heads, size = pool.num_heads, width // pool.num_heads
    query = (pool.latent @ pool.q.weight.T + pool.q.bias).view(1, 1, heads, size)
    key, value = (tokens @ pool.kv.weight.T + pool.kv.bias).view(batch, -1, 2, heads, size).unbind(2)
    share = (torch.einsum("bqhd,bkhd->bhqk", query.expand(batch, -1, -1, -1), key) * size**-0.5).softmax(-1)
    pooled = torch.einsum("bhqk,bkhd->bqhd", share, value).reshape(batch, 1, width)
    pooled = pooled @ pool.proj.weight.T + pool.proj.bias
    pooled = pooled + pool.mlp(pool.norm(pooled))
    return pooled[:, 0]


def projected_attention(model: Any, tokens: Tensor) -> Tensor:
    return projected(model, attention(model, tokens))


def mean_of_patches(model: Any, tokens: Tensor) -> Tensor:
    return tokens[:, model.num_prefix_tokens :].mean(1)


def normed_mean_of_map(model: Any, features: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(
        features.mean((2, 3)), features.shape[1:2], model.head.norm.weight, model.head.norm.bias, model.head.norm.eps
    )


def projected_mean_of_map(model: Any, features: Tensor) -> Tensor:
    return features.mean((2, 3)) @ model.head.fc.weight.T + model.head.fc.bias


def projected_normed_mean(model: Any, features: Tensor) -> Tensor:
    return normed_mean_of_map(model, features) @ model.head.fc.weight.T + model.head.fc.bias


SMALLEST: dict[str, Pooling] = {  # of each family, with what the authors do after the last feature map or tokens
    "pe_core_vitt16_384": projected_attention,
    "pe_spatial_vitt16_512": mean_of_patches,
    "mobileclip2_s0": projected_mean_of_map,
    "tinyclip_vitxs16_224": projected_class_token,
}
LARGER: dict[str, Pooling] = {
    "convnext_tiny_dinov3": normed_mean_of_map,
    "siglip2_vitb16_256": attention,
    "siglip2_naflex_vitb16": attention,
    "eva02_clip_vitb16_224": projected_class_token,
    "metaclip_vitb32_224": projected_class_token,
    "datacompxl_vitb32_224": projected_class_token,
    "laion2b_convnext_base_256": projected_normed_mean,
    "mobileclip2_vitb16": projected_class_token,
    "vitb16_c_radio_v3": class_token,
    "vitb14_tipsv2": class_token,
    "aimv2_vitl14_224": mean_of_patches,
}


@torch.no_grad()
def drawn(model: Any) -> Any:
    """A model whose scales and shifts are no longer ones, zeros or tiny, so that every part of it counts."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.copy_(1 + 0.1 * noise if parameter.ndim == 1 else parameter + 0.01 * noise)
    return model.eval()


@torch.inference_mode()
def check(name: str, pooling: Pooling) -> None:
    entry = manifest.find(name)
    ours = drawn(architecture(entry.arch)(**entry.arch_args))
    theirs = timm.create_model(entry.arch.removeprefix("timm:"), **entry.arch_args or {"num_classes": 0}).eval()
    theirs.load_state_dict(ours.state_dict())  # the names are timm's
    images = torch.randn(1, 3, *entry.preprocess.crop, generator=torch.Generator().manual_seed(1))
    found, wanted = ours(images), pooling(theirs, theirs.forward_features(images))
    assert found.shape == (1, entry.dim)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5
    assert torch.equal(found, theirs(images)), "and what timm computes, number for number"


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_of_a_family_pools_as_its_authors_do(name: str) -> None:
    check(name, SMALLEST[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGER)
def test_the_smallest_of_a_larger_family_pools_as_its_authors_do(name: str) -> None:
    check(name, LARGER[name])


def test_every_body_of_timm_is_of_a_family_that_is_compared() -> None:
    compared = {manifest.find(name).family for name in [*SMALLEST, *LARGER]} | {"efficientnet"}  # in test_package.py
    assert {manifest.find(name).family for name in NAMES} <= compared


def clip(size: int, stats: Any = CLIP, interpolation: T.InterpolationMode = BICUBIC) -> Any:
    """The shorter side to the size, the middle of it, as CLIP does."""
    return T.Compose([T.Resize(size, interpolation), T.CenterCrop(size), T.ToTensor(), T.Normalize(*stats)])


def squash(size: int, stats: Any, interpolation: T.InterpolationMode) -> Any:
    return T.Compose([T.Resize((size, size), interpolation), T.ToTensor(), T.Normalize(*stats)])


def mobileclip(entry: Entry, size: int) -> Any:
    if entry.name in ("mobileclip2_s3", "mobileclip2_s4"):
        return clip(size, CLIP, BILINEAR)
    return clip(size) if entry.name == "mobileclip2_vitl14" else clip(size, ((0.0,) * 3, (1.0,) * 3), BILINEAR)


def radio(entry: Entry, size: int) -> Any:
    """The model's own conditioner, behind a picture in [0, 1]."""
    mean, std = (torch.tensor(values)[:, None, None] for values in CLIP)
    in_unit = T.Compose([T.Resize(size, BICUBIC), T.CenterCrop(size), T.ToTensor()])
    return lambda image: (in_unit(image) - mean) / std


def open_clip(entry: Entry, size: int) -> Any:
    squashed = "dfn5b" in entry.name or entry.name in ("metaclip2_vith14_378", "metaclip2_vitbigg14_378")
    stats = HALF if entry.name == "laion2b_vitl14_224" else CLIP
    return squash(size, stats, BICUBIC) if squashed else clip(size, stats)


def dinov3(entry: Entry, size: int) -> Any:
    stats = ((0.430, 0.411, 0.296), (0.213, 0.156, 0.143)) if entry.name.endswith("_sat") else IMAGENET
    return v2.Compose([
        v2.ToImage(), v2.Resize((size, size), antialias=True), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*stats)
    ])  # fmt: skip


def bioclip(entry: Entry, size: int) -> Any:
    return T.Compose([T.ToTensor(), T.Resize((size, size), antialias=True), T.Normalize(*CLIP)])


AUTHORS: dict[str, Callable[[Entry, int], Any]] = {
    "perception_encoder": lambda entry, size: squash(size, HALF, BILINEAR),
    "siglip": lambda entry, size: squash(size, HALF, BICUBIC),
    "fashion": lambda entry, size: squash(size, HALF, BICUBIC) if "siglip" in entry.name else clip(size),
    "tips": lambda entry, size: T.Compose([T.Resize((size, size)), T.ToTensor()]),
    "c_radio": radio,
    "mobileclip": mobileclip,
    "tinyclip": lambda entry, size: clip(size),
    "eva_clip": lambda entry, size: clip(size),
    "metaclip": open_clip,
    "open_clip": open_clip,
    "aimv2": lambda entry, size: clip(size),
    "bioclip": bioclip,
    "dinov3": dinov3,
}
COARSE = ("bioclip", "dinov3")  # the authors resize tensors, not pictures of 8 bits by Pillow: a level may differ
CHECKED = [name for name in manifest.names() if manifest.find(name).family in AUTHORS]


@pytest.mark.parametrize("name", CHECKED)
def test_pictures_are_prepared_as_the_authors_do(name: str) -> None:
    entry = manifest.find(name)
    ours, theirs = Transform(entry.preprocess), AUTHORS[entry.family](entry, entry.preprocess.crop[0])
    tolerance = 1.01 / 255 / min(entry.preprocess.std) if entry.family in COARSE else 1e-5
    for image in PICTURES:
        assert float((ours(image) - theirs(image)).abs().max()) <= tolerance
