"""Networks for persons compute what their authors' code computes, and their files are read without the camera."""

from pathlib import Path
from typing import Any

import pytest
import references
import torch
from PIL import Image
from reference_clip import clip_forward, random_clip
from references import random_vit, vit_forward
from torch import Tensor
from torchvision import transforms as T

import omlzoo
from omlzoo.checkpoints import layouts
from omlzoo.checkpoints.entry import read_entry
from omlzoo.data.transforms import Transform
from omlzoo.models.clip import ClipReid, clip_reid_vitb16
from omlzoo.models.vit import ViT, transreid_vitb16
from omlzoo.zoo.conversion import convert

ROWS, COLUMNS, PATCH = 4, 2, 8
IMAGES = torch.randn(2, 3, ROWS * PATCH, COLUMNS * PATCH, generator=torch.Generator().manual_seed(0))


def deviation(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def as_transreid(state: dict[str, Tensor], **beside: Tensor) -> dict[str, Tensor]:
    """The file that TransReID's training writes: the network under ``base``, and what lies beside and in it."""
    width = state["norm.bias"].shape[0]
    return {f"base.{key}": value for key, value in state.items()} | {
        "base.fc.weight": torch.ones(1000, width), "base.fc.bias": torch.ones(1000),
        "base.sie_embed": torch.ones(6, 1, width), "classifier.weight": torch.ones(751, width),
        "bottleneck.weight": torch.ones(width), "bottleneck.bias": torch.ones(width),
        "bottleneck.running_mean": torch.ones(width), "bottleneck.running_var": torch.ones(width),
        "bottleneck.num_batches_tracked": torch.tensor(1), **beside,
    }  # fmt: skip


def as_clip_reid(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file of CLIP-ReID's second stage: CLIP's towers apart, and what was learnt for persons and cameras."""
    tower = {f"image_encoder.{key.removeprefix('visual.')}": state[key] for key in state if key.startswith("visual.")}
    text = {f"text_encoder.{key}": state[key] for key in ("positional_embedding", "text_projection", "ln_final.weight")}
    width = state["visual.class_embedding"].shape[0]
    return tower | text | {
        "cv_embed": torch.ones(6, width), "prompt_learner.cls_ctx": torch.ones(751, 4, 5),
        "classifier.weight": torch.ones(751, width), "classifier_proj.weight": torch.ones(751, 8),
        "bottleneck.weight": torch.ones(width), "bottleneck_proj.running_var": torch.ones(8),
    }  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "module."])
@torch.inference_mode()
def test_transreids_baseline_equals_the_authors(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "authors_positions", lambda positions, *_: positions)  # added as they are
    state = random_vit(32, 3, PATCH, 4, seed=3)
    state["pos_embed"] = torch.randn(1, ROWS * COLUMNS + 1, 32, generator=torch.Generator().manual_seed(1))
    ours = ViT(image=(ROWS * PATCH, COLUMNS * PATCH), patch=PATCH, width=32, depth=3, heads=4).eval()
    raw = {prefix + key: value for key, value in as_transreid(state).items()}
    ours.load_state_dict(layouts.convert(raw, "transreid", "x"))
    wanted = vit_forward(state, IMAGES, 4)
    assert deviation(ours(IMAGES), wanted) < 1e-5
    turned = state | {"pos_embed": torch.cat([state["pos_embed"][:, :1], state["pos_embed"][:, 1:].flip(1)], dim=1)}
    assert deviation(vit_forward(turned, IMAGES, 4), wanted) > 1e-3, "the comparison sees positions in another order"


@torch.inference_mode()
def test_clip_reid_equals_the_authors() -> None:
    state = random_clip(32, 3, PATCH, 4, 8, seed=4)
    state["visual.positional_embedding"] = torch.randn(
        ROWS * COLUMNS + 1, 32, generator=torch.Generator().manual_seed(1)
    )
    size = (ROWS * PATCH, COLUMNS * PATCH)
    ours = ClipReid(image=size, patch=PATCH, width=32, depth=3, heads=4, dim=8).eval()
    ours.load_state_dict(layouts.convert(as_clip_reid(state), "clip_reid", "x"))
    projected = clip_forward(state, IMAGES, 4)
    token = clip_forward(state | {"visual.proj": torch.eye(32)}, IMAGES, 4)  # before the projection
    assert ours.dim == 40
    assert deviation(ours(IMAGES), torch.cat([token, projected], dim=1)) < 1e-5


def test_the_recipe_gives_a_folder_that_names_what_was_dropped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = transreid_vitb16().eval()
    torch.save(as_transreid(model.state_dict()), tmp_path / "vit_base_market.pth")
    entry, layout = convert(
        tmp_path / "vit_base_market.pth", "transreid_vitb16", tmp_path / "mine", like="transreid_vitb16_256x128"
    )
    assert layout == "transreid"
    assert "sie_embed" in str(entry.notes)
    opened = omlzoo.get_model(tmp_path / "mine")
    images = torch.randn(1, 3, 256, 128)
    with torch.inference_mode():
        assert torch.allclose(opened(images), torch.nn.functional.normalize(model(images)), atol=1e-6)
    assert read_entry(tmp_path / "mine" / "entry.json").preprocess.crop == (256, 128)


def test_a_file_with_the_jigsaw_branch_is_another_network() -> None:
    state = as_transreid(random_vit(32, 3, PATCH, 4, seed=3), **{"b1.0.norm1.weight": torch.ones(32)})
    assert "transreid" not in layouts.fitting(state, None, True)
    assert "transreid" in layouts.fitting(as_transreid(random_vit(32, 3, PATCH, 4, seed=3)), None, True)


@pytest.mark.parametrize("name", ["transreid_vitb16_256x128", "clip_reid_vitb16_256x128"])
def test_pictures_are_prepared_as_the_authors_do(name: str) -> None:
    facts = omlzoo.get_weights(name)
    theirs = T.Compose([T.Resize((256, 128)), T.ToTensor(), T.Normalize((0.5,) * 3, (0.5,) * 3)])
    for size in [(64, 128), (300, 90)]:
        image: Any = Image.effect_noise(size, 60).convert("RGB")
        assert float((Transform(facts.preprocess)(image) - theirs(image)).abs().max()) < 1e-5
    assert facts.entry.normalize


@pytest.mark.parametrize(("build", "dim"), [(transreid_vitb16, 768), (clip_reid_vitb16, 1280)])
def test_positions_are_those_of_16_by_8_patches(build: Any, dim: int) -> None:
    with torch.device("meta"):
        model = build()
    assert (model.dim, tuple(model.pos_embed.shape)) == (dim, (1, 129, 768))
