"""Views, layers and ensembles compute what a loop computes, and are one fact for every way to use them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate
from toys import toy

import omlzoo
from omlzoo import catalog
from omlzoo.errors import BadEntry, BadInput, OmlzooError
from omlzoo.models._ensemble import Member
from omlzoo.models._extractor import Extractor
from omlzoo.models._layered import Layered
from omlzoo.models._viewed import Viewed

MAKERS: dict[str, Callable[[], Extractor]] = {
    "mirror": lambda: toy("resnet_toy", normalize=True).with_views(),
    "scales": lambda: toy("vit_toy").with_views((1.0, 0.7071, 0.5), mirror=False),
    "layers": lambda: toy("resnet_toy").with_layers([1, 3], pooling="gem"),
    "tokens": lambda: toy("vit_toy").with_layers([0, 1], own=False),
    "ensemble": lambda: omlzoo.ensemble([toy("resnet_toy"), toy("vit_toy")], weights=[3, 1]),
    "views of layers": lambda: toy("resnet_toy").with_layers([2]).with_views((1.0, 1.5)),
}


def unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True)


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("normalize", [True, False])
def test_the_embedding_of_views_is_the_mean_over_them(normalize: bool) -> None:
    body = toy("resnet_toy", normalize=normalize)
    model = body.with_views((1.0, 0.5), mirror=True)
    pictures = images()
    small = interpolate(pictures, size=(16, 16), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        wanted = sum(body(view) for view in (pictures, pictures.flip(3), small, small.flip(3))) / 4
        torch.testing.assert_close(model(pictures), unit(wanted) if normalize else wanted)
        torch.testing.assert_close(model(pictures), model(pictures.flip(3)), atol=1e-5, rtol=1e-5)


def test_scaled_images_of_a_vision_transformer_are_whole_patches() -> None:
    body = toy("vit_toy")
    pictures = images()
    with torch.inference_mode():  # 0.7071 x 32 is 22.6, and 24 is the nearest multiple of the patch, 8
        wanted = body(interpolate(pictures, size=(24, 24), mode="bilinear", align_corners=False))
        torch.testing.assert_close(body.with_views((0.7071,), mirror=False)(pictures), wanted)


def test_the_parts_of_layers_are_pooled_maps_of_norm_one_side_by_side() -> None:
    body = toy("resnet_toy")
    pictures = images()
    with torch.inference_mode():
        one = body.until(pictures, 2)  # (B, 8, 8, 8), after the first layer
        pooled = torch.stack([one[:, :, y, x].clamp(min=1e-6) ** 3 for y in range(8) for x in range(8)]).mean(0) ** (
            1 / 3
        )
        wanted = torch.cat([unit(pooled), unit(body(pictures))], dim=1) / 2**0.5
        model = body.with_layers([1], pooling="gem")
        torch.testing.assert_close(model(pictures), wanted, atol=1e-5, rtol=1e-4)
        largest = body.with_layers([1], pooling="max", own=False)(pictures)
        torch.testing.assert_close(largest, unit(one.flatten(2).max(dim=2).values))


def test_members_read_images_of_their_own_size_mean_and_std() -> None:
    first, second = toy("resnet_toy"), toy("resnet_toy", 1)
    other = Member("resnet_toy", {}, 1.0, (48, 40), (0.4, 0.5, 0.6), (0.2, 0.25, 0.5))
    own = Member("resnet_toy", {}, 1.0, (32, 32), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    model = catalog.find("models", "ensemble")((own, other)).eval()
    model.bodies[0].load_state_dict(first.state_dict())
    model.bodies[1].load_state_dict(second.state_dict())
    pixels = torch.rand(2, 3, 32, 32)
    larger = interpolate(pixels, size=(48, 40), mode="bilinear", align_corners=False)
    normalized = (larger - torch.tensor(other.mean)[:, None, None]) / torch.tensor(other.std)[:, None, None]
    with torch.inference_mode():
        wanted = torch.cat([unit(first((pixels - 0.5) / 0.25)), unit(second(normalized))], dim=1) * 0.5**0.5
        torch.testing.assert_close(model((pixels - 0.5) / 0.25), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", MAKERS)
def test_one_fact_for_files_index_queries_and_export(kind: str, tmp_path: Path, drawn: Path) -> None:
    model = MAKERS[kind]()
    found = omlzoo.embed(model, drawn, progress=False, precision="fp32")
    model.save(tmp_path / "kept")
    opened = omlzoo.get_model(tmp_path / "kept")
    again = omlzoo.embed(opened, drawn, progress=False, precision="fp32")
    np.testing.assert_allclose(again.vectors, found.vectors, atol=1e-5)
    omlzoo.build_index(again).save(tmp_path / "index")
    path = drawn.parent / again.table["path"][3]
    hits = omlzoo.open_index(tmp_path / "index").search([path], k=1)
    assert hits.ids[0, 0] == 3
    omlzoo.export(opened, tmp_path / "kept.pt")
    with torch.inference_mode():
        exported = torch.jit.load(tmp_path / "kept.pt")(images())
        torch.testing.assert_close(exported, opened(images()), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_onnx_computes_them_too(kind: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = MAKERS[kind]()
    omlzoo.export(model, tmp_path / "kept.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "kept.onnx"), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = model(images())
    np.testing.assert_allclose(session.run(None, {"images": images().numpy()})[0], wanted.numpy(), atol=1e-4)


def test_the_same_weights_with_other_views_are_other_vectors(drawn: Path) -> None:
    body = toy("resnet_toy", normalize=True)
    makers = [body, body.with_views(), body.with_views((1.0, 0.5)), body.with_layers([1]), body.with_layers([2])]
    digests = [omlzoo.embed(each, drawn, progress=False).record.sha256 for each in makers]
    assert len(set(digests)) == len(makers)
    index = omlzoo.build_index(omlzoo.embed(makers[1], drawn, progress=False))
    with pytest.raises(BadInput, match="cannot be searched among"):
        index.search(omlzoo.embed(makers[2], drawn, progress=False))


def test_settings_of_the_file_and_of_the_entry_must_agree(tmp_path: Path) -> None:
    toy("resnet_toy").with_views((1.0, 0.5)).save(tmp_path / "kept")
    file = tmp_path / "kept" / "model.safetensors"
    other = load_file(file) | {"settings": torch.tensor([1_000_000, 700_000, 1_000_000, 0])}
    model = omlzoo.get_model(tmp_path / "kept", weights=None)
    with pytest.raises(BadEntry, match=r"saved with the settings \[1.0, 0.7, 1.0, 0.0\] and the entry has \[1.0, 0.5"):
        model.load_state_dict(other)
    save_file(other, file)
    with pytest.raises(OmlzooError):
        omlzoo.get_model(tmp_path / "kept")


@pytest.mark.parametrize(
    "scales", [(), (1.0, 1.0), (0.1,), (5.0,), (float("nan"),), tuple(1 + i / 10 for i in range(9))]
)
def test_odd_scales_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(BadInput, match="scales is .*; it must be 1 to 8 different numbers from 0.25 to 4"):
        toy("resnet_toy").with_views(scales)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"layers": [9]}, "ResNet has stages 0 to 4"),
        ({"layers": [1, 1]}, "it must be different numbers of stages"),
        ({"layers": [], "own": False}, "it must be different numbers of stages"),
        ({"layers": [1], "pooling": "median"}, "pooling is 'median'"),
        ({"layers": [1], "power": 0.0}, "power 0.0"),
        ({"layers": [-1]}, "stages 0 to 4"),
    ],
)
def test_odd_layers_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        toy("resnet_toy").with_layers(**arguments)  # type: ignore[arg-type]


def test_models_without_stages_are_refused_in_one_line() -> None:
    model = omlzoo.resnet_small_omniglot()
    with pytest.raises(BadInput, match="has no stages that can be asked for"):
        model.with_layers([1])
    with pytest.raises(BadInput, match="feature maps 0 to"):
        omlzoo.get_model("timm:test_resnet", weights=None).with_layers([77])


def test_a_model_of_one_image_size_has_no_scales() -> None:
    with pytest.raises(BadInput, match="takes no images of other sizes"):
        omlzoo.get_model("timm:vit_tiny_patch16_224", weights=None).with_views((1.0, 0.5))


def test_all_are_architectures_by_name() -> None:
    assert isinstance(catalog.find("models", "viewed")("resnet_toy"), Viewed)
    assert isinstance(catalog.find("models", "layered")("resnet_toy", 24, layers=(0, 1), own=False), Layered)
    with pytest.raises(BadEntry, match=r"dim is 99; the stages \[0, 1\] give 72 numbers"):
        catalog.find("models", "layered")("resnet_toy", 99, layers=(0, 1), own=False)(images())
