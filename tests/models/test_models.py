"""Every architecture computes what its authors' code computes, at their size and at others."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from references import authors_positions, random_resnet, random_vit, resnet_forward, vit_forward
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor

from omlzoo import catalog
from omlzoo.checkpoints import layouts
from omlzoo.errors import BadInput
from omlzoo.models._blank import Blank
from omlzoo.models._extractor import Extractor
from omlzoo.models._pooling import generalized_mean
from omlzoo.models._positions import resize_positions
from omlzoo.models.resnet import ResNet, centre_ink
from omlzoo.models.vit import ViT

ARCHS = sorted(catalog.names("models"))
PATCH, GRID, HEADS = 8, 6, 4
SIZES = [(48, 48), (64, 64), (32, 32), (40, 72), (72, 32)]


def deviation(found: Tensor, wanted: Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def pictures(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height * 1000 + width))


def our_vit(state: dict[str, Tensor], layout: str, registers: int = 0, layer_scale: bool = False) -> ViT:
    model = ViT(
        image=PATCH * GRID, patch=PATCH, width=32, depth=3, heads=HEADS, registers=registers,
        layer_scale=1e-5 if layer_scale else None, resizing="antialias" if registers else "offset",
    )  # fmt: skip
    model.load_state_dict(layouts.convert(state, layout, "test"))
    return model.eval()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", ["dino", "dinov2", "dinov2_registers"])
def test_vit_equals_the_authors(family: str, size: tuple[int, int]) -> None:
    registers, scale = 4 if family == "dinov2_registers" else 0, family != "dino"
    state = random_vit(32, 3, PATCH, GRID, seed=3, layer_scale=scale, registers=registers)
    model = our_vit(dict(state), "dinov2_vit" if scale else "timm_vit", registers, scale)
    with torch.inference_mode():
        found = model(pictures(*size))
    assert deviation(found, vit_forward(state, pictures(*size), HEADS, antialias=registers > 0)) < 1e-5


@pytest.mark.parametrize("arch", ["vits16", "vits14", "vits14_reg"])
def test_a_full_size_vit_equals_the_authors_at_224(arch: str) -> None:
    patch, grid = (16, 14) if arch == "vits16" else (14, 37)
    state = random_vit(384, 12, patch, grid, seed=5, layer_scale=patch == 14, registers=4 if "reg" in arch else 0)
    with Blank():
        model: Extractor = catalog.find("models", arch)()
    model.load_state_dict(layouts.convert(state, "dinov2_vit" if patch == 14 else "timm_vit", "test"))
    with torch.inference_mode():
        found = model.eval()(pictures(224, 224))
    assert deviation(found, vit_forward(state, pictures(224, 224), heads=6, antialias="reg" in arch)) < 1e-5


def test_the_comparison_sees_the_wrong_resizing() -> None:
    state = random_vit(32, 3, PATCH, GRID, seed=3)
    model = our_vit(dict(state), "timm_vit")
    with torch.inference_mode():
        found = model(pictures(64, 64))
    assert deviation(found, vit_forward(state, pictures(64, 64), HEADS, antialias=True)) > 1e-4
    assert deviation(found, vit_forward(state, pictures(64, 64), heads=2)) > 1e-3


@pytest.mark.parametrize("resizing", ["offset", "antialias"])
@pytest.mark.parametrize("grid", [(6, 6), (8, 8), (4, 9), (9, 4), (3, 12)])
def test_positions_are_resized_as_the_authors_do(grid: tuple[int, int], resizing: str) -> None:
    positions = torch.randn(1, 37, 8, generator=torch.Generator().manual_seed(1))
    wanted = authors_positions(positions, *grid, antialias=resizing == "antialias")[:, 1:]
    assert torch.equal(resize_positions(positions[:, 1:], 6, grid, resizing), wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (33, 75)])
@pytest.mark.parametrize("gem", [None, 3.0, 5.0])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_resnet_equals_the_authors(bottleneck: bool, gem: float | None, size: tuple[int, int]) -> None:
    state = random_resnet((1, 2, 1, 1), (64, 24, 32, 48), bottleneck, seed=7)
    model = ResNet(Bottleneck if bottleneck else BasicBlock, (1, 2, 1, 1), channels=(64, 24, 32, 48), gem=gem)
    model.load_state_dict(layouts.convert(state, "torchvision_resnet", "test"))
    with torch.inference_mode():
        found = model.eval()(pictures(*size))
    assert deviation(found, resnet_forward(state, pictures(*size), gem)) < 1e-5
    assert gem is None or deviation(found, resnet_forward(state, pictures(*size), None)) > 1e-3


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_a_full_size_resnet_equals_the_authors(arch: str) -> None:
    layers = (2, 2, 2, 2) if arch == "resnet18" else (3, 4, 6, 3)
    state = random_resnet(layers, (64, 128, 256, 512), arch == "resnet50", seed=11)
    with Blank():
        model: Extractor = catalog.find("models", arch)()
    model.load_state_dict(layouts.convert(state, "torchvision_resnet", "test"))
    with torch.inference_mode():
        assert deviation(model.eval()(pictures(64, 64)), resnet_forward(state, pictures(64, 64))) < 1e-5


def test_gem_is_the_loop() -> None:
    map_ = torch.rand(1, 2, 3, 3)
    wanted = [(sum(float(v) ** 5 for v in channel.flatten()) / 9) ** 0.2 for channel in map_[0]]
    assert generalized_mean(map_, 5.0)[0].tolist() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_architecture_makes_embeddings(arch: str) -> None:
    small = arch in ("resnet_small", "resnet_toy", "vit_toy")
    with torch.device("cpu" if small else "meta"):  # shapes only: the largest has a billion parameters
        model: Extractor = catalog.find("models", arch)()
        side = getattr(model, "image", getattr(model, "patch", 16) * 4)
        outputs = model.eval().features(torch.empty(2, 3, side, side))
    assert outputs["embedding"].shape == (2, model.dim)
    assert outputs["map"].ndim == 4 if "map" in outputs else outputs["tokens"].ndim == 3
    assert outputs.get("class_token", torch.empty(2, 1)).shape[0] == 2
    parts = [part for stage in model.stages() for part in stage]
    covered = sum(
        p.numel() for part in parts for p in ([part] if isinstance(part, torch.nn.Parameter) else part.parameters())
    )
    assert covered == sum(parameter.numel() for parameter in model.parameters()), "every parameter is in one stage"


@pytest.mark.parametrize("arch", ["resnet_toy", "vit_toy"])
def test_calling_gives_the_embedding_among_the_features(arch: str) -> None:
    model = catalog.find("models", arch)().eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model(images), model.features(images)["embedding"])
        assert torch.isfinite(model(images)).all()


def test_normalising_gives_length_one_and_leaves_zero() -> None:
    model = catalog.find("models", "resnet_toy")(normalize=True).eval()
    with torch.inference_mode():
        assert model(torch.randn(3, 3, 64, 64)).norm(dim=1).tolist() == pytest.approx([1, 1, 1], abs=1e-6)
        for parameter in model.parameters():
            parameter.zero_()
        assert (model(torch.randn(1, 3, 64, 64)) == 0).all()


@pytest.mark.parametrize("size", [(33, 32), (32, 20)])
def test_sides_that_are_no_multiples_are_refused_with_the_next_size(size: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match=r"multiples of the patch, 8: build the model with image_size=\(32, "):
        catalog.find("models", "vit_toy")()(torch.rand(1, 3, *size))


def test_a_blank_model_keeps_its_buffers_and_its_constants_are_not_needed() -> None:
    with Blank():
        blank = catalog.find("models", "resnet_toy")()
    full = catalog.find("models", "resnet_toy")()
    for (name, ours), (_, theirs) in zip(blank.named_buffers(), full.named_buffers(), strict=True):
        assert torch.equal(ours, theirs), name
    blank.load_state_dict(full.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(blank.eval()(images), full.eval()(images))


def test_ink_is_moved_to_the_middle_and_a_blank_picture_stays() -> None:
    images = torch.ones(3, 3, 64, 64)
    images[0, :, 5:15, 40:50] = 0.1  # ten pixels square
    images[1, :, 27:37, 27:37] = 0.1  # in the middle already
    moved = centre_ink(images)
    assert (moved[0] - images[1]).abs().max() < 1e-4
    assert (moved[1:] - images[1:]).abs().max() < 1e-4


@given(rows=st.integers(-12, 12), columns=st.integers(-12, 12))
def test_centred_drawings_do_not_say_where_they_were_drawn(rows: int, columns: int) -> None:
    drawing = torch.ones(1, 3, 64, 64)
    drawing[0, :, 20:40, 24:42] = torch.rand(20, 18, generator=torch.Generator().manual_seed(0)).round()
    moved = centre_ink(torch.roll(drawing, (rows, columns), dims=(2, 3)))
    assert (moved - centre_ink(drawing)).abs().max() < 1e-3


@pytest.mark.parametrize("size", [(64, 96), (64, 64)])
def test_turned_views_stand_side_by_side(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    once = catalog.find("models", "resnet_small")(normalize=False).eval()
    four = catalog.find("models", "resnet_small")(normalize=False, turns=4).eval()
    four.load_state_dict(once.state_dict())
    images = torch.randn(2, 3, *size)
    with torch.inference_mode():
        views = [once(torch.rot90(images, turn, (2, 3))) for turn in range(4)]
        wanted = torch.cat([view / view.norm(dim=1, keepdim=True) for view in views], dim=1)
        assert four.dim == 512
        assert torch.allclose(four(images), wanted, atol=1e-5)


@pytest.mark.parametrize("arch", [*(arch for arch in ARCHS if arch.endswith("_toy")), "projected"])
def test_stages_and_steps_say_the_same_of_a_toy(arch: str) -> None:
    arguments = {"arch": "vit_toy", "dim": 8} if arch == "projected" else {}
    model: Extractor = catalog.find("models", arch)(**arguments, normalize=True).eval()
    images = pictures(32, 32)
    if not model.steps():
        with pytest.raises(BadInput, match="can be cut nowhere"):
            model.until(images, 1)
        return
    assert len(model.steps()) == len(model.stages())
    whole = model(images)
    for stage in range(1, len(model.steps())):
        assert torch.equal(model.onward(model.until(images, stage), stage), whole)
    with pytest.raises(BadInput, match=rf"can be cut between 1 and {len(model.steps()) - 1}"):
        model.until(images, len(model.steps()))


@pytest.mark.parametrize("arch", [arch for arch in ARCHS if not arch.endswith("_toy")])
def test_every_architecture_has_a_step_for_each_stage_or_none(arch: str) -> None:
    with Blank():
        model: Extractor = catalog.find("models", arch)()
    assert len(model.steps()) in (0, len(model.stages()))


def test_a_projection_is_a_linear_layer_after_the_body() -> None:
    model = catalog.find("models", "projected")("resnet_toy", 5, {"gem": 2.0})
    outputs = model.eval().features(pictures(48, 48))
    body = model.body(pictures(48, 48))
    assert torch.allclose(outputs["embedding"], body @ model.project.weight.T)
    assert torch.allclose(model.project.weight @ model.project.weight.T, torch.eye(5), atol=1e-5)
    assert "map" in outputs
