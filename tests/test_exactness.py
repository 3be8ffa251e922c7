"""Each family computes what its authors' code computes, from their keys, at their size and at others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from reference_clip import clip_forward, random_clip
from reference_dinov3 import dinov3_forward, random_dinov3
from reference_siglip import random_siglip, siglip_forward
from reference_swiglu import giant_forward, random_giant
from reference_swin import random_swin, swin_forward
from reference_unicom import random_unicom, unicom_forward
from references import random_vit, vit_forward
from torch import Tensor
from torch.nn import functional as F

from omlzoo.checkpoints import layouts, wrappings
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.models.clip import ClipViT
from omlzoo.models.dinov3 import DinoV3
from omlzoo.models.siglip import SigLip
from omlzoo.models.swin import Swin
from omlzoo.models.unicom import Unicom
from omlzoo.models.vit import ViT

State = dict[str, Tensor]
EXACT = 1e-5
SIZES = [(48, 48), (64, 64), (32, 32), (40, 72)]  # the size trained for, a larger, a smaller, a long one


def pictures(size: tuple[int, int]) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(size[0] * 1000 + size[1]))


def deviation(found: Tensor, wanted: Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def filled(model: Extractor, raw: State, layout: str) -> Extractor:
    state = layouts.convert(dict(raw), layout, "test")
    model.load_state_dict(state)
    return model.eval()


def embed(model: Extractor, size: tuple[int, int]) -> Tensor:
    with torch.inference_mode():
        return model(pictures(size))


def resized(positions: Tensor, side: int, grid: tuple[int, int], **how: Any) -> Tensor:
    """Positions (S, width) of a square grid for another, as an upstream that does it would."""
    image = positions.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    return F.interpolate(image, size=grid, mode="bicubic", **how).flatten(2).transpose(1, 2)[0]


# -- CLIP ------------------------------------------------------------------------------------------------------------

CLIP = random_clip(48, 3, 8, 6, 32, seed=1)
CLIP_SHAPE: dict[str, Any] = {"image": 48, "patch": 8, "width": 48, "depth": 3, "heads": 4, "dim": 32}


@pytest.mark.parametrize("quick", [True, False])
def test_clip_equals_the_authors(quick: bool) -> None:
    found = embed(filled(ClipViT(**CLIP_SHAPE, quick=quick), CLIP, "clip"), (48, 48))
    assert deviation(found, clip_forward(CLIP, pictures((48, 48)), 4, quick=quick)) < EXACT
    assert deviation(found, clip_forward(CLIP, pictures((48, 48)), 4, quick=not quick)) > 1e-3


@pytest.mark.parametrize("size", SIZES[1:])
def test_clip_resizes_positions_as_open_clip_does(size: tuple[int, int]) -> None:
    grid = (size[0] // 8, size[1] // 8)
    positions = CLIP["visual.positional_embedding"]
    moved = torch.cat([positions[:1], resized(positions[1:], 6, grid, antialias=True)])
    found = embed(filled(ClipViT(**CLIP_SHAPE), CLIP, "clip"), size)
    assert deviation(found, clip_forward({**CLIP, "visual.positional_embedding": moved}, pictures(size), 4)) < EXACT


# -- SigLIP ----------------------------------------------------------------------------------------------------------

SIGLIP = random_siglip(48, 3, 8, 6, seed=2)
SIGLIP_SHAPE: dict[str, Any] = {"image": 48, "patch": 8, "width": 48, "depth": 3, "heads": 4}


@pytest.mark.parametrize("tanh", [False, True])
def test_siglip_equals_the_authors(tanh: bool) -> None:
    found = embed(filled(SigLip(**SIGLIP_SHAPE, tanh=tanh), SIGLIP, "open_clip_timm"), (48, 48))
    assert deviation(found, siglip_forward(SIGLIP, pictures((48, 48)), 4, tanh=tanh)) < EXACT
    assert deviation(found, siglip_forward(SIGLIP, pictures((48, 48)), 4, tanh=not tanh)) > 5e-5


@pytest.mark.parametrize("size", SIZES[1:])
def test_siglip_resizes_positions_as_timm_does(size: tuple[int, int]) -> None:
    moved = resized(SIGLIP["visual.trunk.pos_embed"], 6, (size[0] // 8, size[1] // 8), antialias=True)[None]
    found = embed(filled(SigLip(**SIGLIP_SHAPE), SIGLIP, "open_clip_timm"), size)
    assert deviation(found, siglip_forward({**SIGLIP, "visual.trunk.pos_embed": moved}, pictures(size), 4)) < EXACT


# -- UNICOM ----------------------------------------------------------------------------------------------------------

UNICOM = random_unicom(48, 3, 8, 6, 24, seed=3)
UNICOM_SHAPE: dict[str, Any] = {"image": 48, "patch": 8, "width": 48, "depth": 3, "heads": 4, "dim": 24}


def test_unicom_equals_the_authors_and_takes_no_other_size() -> None:
    model = filled(Unicom(**UNICOM_SHAPE, normalize=False), UNICOM, "unicom")
    wanted = unicom_forward(UNICOM, pictures((48, 48)), 4)
    assert deviation(embed(model, (48, 48)), wanted) < EXACT
    with pytest.raises(BadInput, match="this head takes 48 x 48 only"):
        embed(model, (64, 64))
    unit = filled(Unicom(**UNICOM_SHAPE), UNICOM, "unicom")
    assert deviation(embed(unit, (48, 48)), F.normalize(wanted)) < EXACT


def test_unicoms_comparison_sees_another_activation() -> None:
    model = filled(Unicom(**UNICOM_SHAPE, normalize=False), UNICOM, "unicom")
    for block in model.blocks:
        block.mlp.act = torch.nn.ReLU()
    assert deviation(embed(model, (48, 48)), unicom_forward(UNICOM, pictures((48, 48)), 4)) > 1e-3


# -- DINOv3 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(256, 256), (224, 224), (128, 128), (96, 160)])
@pytest.mark.parametrize("gated", [False, True])
def test_dinov3_equals_the_authors(gated: bool, size: tuple[int, int]) -> None:
    state = random_dinov3(64, 3, 4, 16, 4, seed=4, swiglu=gated, biases=False, rounded=True)
    model = filled(DinoV3(patch=16, width=64, depth=3, heads=4, gated=gated), state, "dinov3_vit")
    assert deviation(embed(model, size), dinov3_forward(state, pictures(size), 4)) < EXACT


def test_dinov3_with_the_gates_of_the_7b_equals_the_authors() -> None:
    state = random_dinov3(64, 3, 4, 16, 4, seed=4, swiglu=True, biases=False, rounded=True, ratio=2)
    model = DinoV3(patch=16, width=64, depth=3, heads=4, gated=True, ratio=2, multiple=64)
    model = filled(model, state, "dinov3_vit")
    assert deviation(embed(model, (96, 160)), dinov3_forward(state, pictures((96, 160)), 4)) < EXACT


def test_dinov3s_comparison_sees_periods_that_are_not_rounded() -> None:
    exact = random_dinov3(64, 3, 4, 16, 4, seed=4, biases=False, rounded=False)
    model = filled(DinoV3(patch=16, width=64, depth=3, heads=4), exact, "dinov3_vit")
    assert deviation(embed(model, (224, 224)), dinov3_forward(exact, pictures((224, 224)), 4)) > 5e-5


# -- Swin ------------------------------------------------------------------------------------------------------------


def test_swin_equals_the_authors_and_takes_no_other_size() -> None:
    state = random_swin(24, (2, 2, 2, 2), (2, 2, 4, 4), 4, 128, seed=5)
    shape: dict[str, Any] = {"width": 24, "depths": (2, 2, 2, 2), "heads": (2, 2, 4, 4), "window": 4}
    model = filled(Swin(image=128, **shape), state, "swin")
    assert deviation(embed(model, (128, 128)), swin_forward(state, pictures((128, 128)), (2, 2, 4, 4), 4)) < EXACT
    with pytest.raises(BadInput, match="its windows fit 128 x 128 only"):
        embed(model, (160, 128))


def test_swins_older_files_shrink_the_map_at_the_end_of_a_stage() -> None:
    state = random_swin(24, (2, 2, 2, 2), (2, 2, 4, 4), 4, 128, seed=5)
    older = {
        key.replace("layers.1.down", "layers.0.down")
        .replace("layers.2.down", "layers.1.down")
        .replace("layers.3.down", "layers.2.down"): value
        for key, value in state.items()
    }
    older["layers.0.blocks.1.attn_mask"] = torch.zeros(1)
    assert [each.layout for each in wrappings.readings(older, "x")] == ["swin"]
    found = layouts.convert(older, "swin", "x")
    assert found.keys() == layouts.convert(dict(state), "swin", "x").keys()
    assert all(torch.equal(found[key], state[key]) for key in found)


# -- DINOv2 ViT-g and other rules for positions ----------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("registers", [0, 4])
def test_the_giant_equals_the_authors(registers: int, size: tuple[int, int]) -> None:
    state = random_giant(48, 3, 8, 6, seed=6, registers=registers)
    model = ViT(image=48, patch=8, width=48, depth=3, heads=4, gated=True, layer_scale=1e-5, registers=registers,
                resizing="antialias" if registers else "offset")  # fmt: skip
    filled(model, state, "dinov2_vit")
    wanted = giant_forward(state, pictures(size), 4, antialias=registers > 0)
    assert deviation(embed(model, size), wanted) < EXACT


RULES: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    # MSN: one factor, the root of the ratio of the numbers of patches; it makes squares only
    "ratio": lambda positions, grid: F.interpolate(
        positions.reshape(1, 6, 6, -1).permute(0, 3, 1, 2), scale_factor=(grid[0] * grid[1] / 36) ** 0.5, mode="bicubic"
    ).flatten(2).transpose(1, 2)[0],
    "antialias": lambda positions, grid: resized(positions, 6, grid, antialias=True),
}  # fmt: skip


@pytest.mark.parametrize("size", [(64, 64), (96, 96), (24, 24)])
@pytest.mark.parametrize("resizing", RULES)
def test_vits_of_msn_and_timm_resize_positions_by_their_own_rules(resizing: Any, size: tuple[int, int]) -> None:
    state = random_vit(32, 2, 8, 6, seed=7)
    model = filled(ViT(image=48, patch=8, width=32, depth=2, heads=4, resizing=resizing), state, "timm_vit")
    grid = (size[0] // 8, size[1] // 8)
    positions = torch.cat([state["pos_embed"][0, :1], RULES[resizing](state["pos_embed"][0, 1:], grid)])[None]
    # Positions that fit already are not resized again by the reference: it is told that the model has that grid.
    wanted = vit_forward({**state, "pos_embed": positions}, pictures(size), heads=4)
    assert deviation(embed(model, size), wanted) < EXACT
    stock = filled(ViT(image=48, patch=8, width=32, depth=2, heads=4, resizing="offset"), state, "timm_vit")
    assert deviation(embed(stock, size), wanted) > 1e-4


def test_twelve_heads_are_not_six() -> None:
    state = random_vit(48, 2, 8, 6, seed=8)
    twelve = filled(ViT(image=48, patch=8, width=48, depth=2, heads=12), state, "timm_vit")
    six = filled(ViT(image=48, patch=8, width=48, depth=2, heads=6), state, "timm_vit")
    wanted = vit_forward(state, pictures((48, 48)), heads=12)
    assert deviation(embed(twelve, (48, 48)), wanted) < EXACT
    assert deviation(embed(six, (48, 48)), wanted) > 1e-3


def test_a_projection_is_one_linear_layer() -> None:
    state = random_vit(32, 2, 8, 6, seed=9)
    weight, bias = torch.randn(16, 32), torch.randn(16)
    raw = {f"extractor.model.{key}": value for key, value in state.items()}
    raw |= {"projection.0.weight": weight, "projection.0.bias": bias}
    model = filled(ViT(image=48, patch=8, width=32, depth=2, heads=4, project=16), raw, "oml_vit_mlp")
    assert model.dim == 16
    wanted = vit_forward(state, pictures((64, 48)), heads=4) @ weight.T + bias
    assert deviation(embed(model, (64, 48)), wanted) < EXACT
