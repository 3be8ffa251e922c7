"""Patches that are hidden or left out: the same as by hand, token by token."""

import pytest
import torch
from torch import Tensor
from toys import toy

from omlzoo.errors import BadInput
from omlzoo.models._masking import block_masks, hidden_patches, patch_rows, patches_of, visible_patches
from omlzoo.models._projected import Projected
from omlzoo.models._timm import timm_body
from omlzoo.models.vit import ViT

IMAGES = torch.randn(3, 3, 16, 32, generator=torch.Generator().manual_seed(0))
TIMM = {"img_size": 32, "dynamic_img_size": True}


def reg() -> ViT:
    torch.manual_seed(0)
    return ViT(image=32, patch=8, width=16, depth=2, heads=2, registers=2, resizing="antialias").eval()


def test_hidden_patches_are_a_token_with_their_positions() -> None:
    model, token = reg(), torch.randn(16, requires_grad=True)
    mask = torch.zeros(3, 8, dtype=torch.bool)
    mask[0, 3] = mask[0, 4] = mask[2, 7] = True
    with hidden_patches(Projected(model, 4), mask, token):
        found = model.features(IMAGES)["tokens"]
    tokens = model._begin(IMAGES).detach()
    plain = model.patch_embed.proj(IMAGES).flatten(2).transpose(1, 2).detach()
    for i, s in mask.nonzero().tolist():
        tokens[i, 3 + s] += token.detach() - plain[i, s]
    wanted = model._end(model.blocks(tokens))["tokens"]
    torch.testing.assert_close(found, wanted)
    found.sum().backward()
    assert token.grad is not None
    assert token.grad.any()
    assert not torch.allclose(model.features(IMAGES)["tokens"], wanted), "afterwards nothing is hidden"


@pytest.mark.parametrize("name", ["ours", "timm"])
def test_visible_patches_alone_go_through_the_blocks(name: str) -> None:
    torch.manual_seed(0)
    model = reg() if name == "ours" else timm_body("vit_tiny_patch16_224", **TIMM).eval()
    rows, columns = patch_rows(model, IMAGES)
    count = rows * columns
    kept = torch.stack([torch.randperm(count)[: count // 2] for _ in IMAGES])
    with visible_patches(model, kept, count):
        found = model.features(IMAGES)
    if name == "ours":
        tokens = model._begin(IMAGES)
        chosen = torch.stack([tokens[i][[0, 1, 2, *(3 + kept[i]).tolist()]] for i in range(3)])
        wanted = model._end(model.blocks(chosen))
    else:
        body = model.module
        tokens = body._pos_embed(body.patch_embed(IMAGES))
        chosen = torch.stack([tokens[i][[0, *(1 + kept[i]).tolist()]] for i in range(3)])
        after = body.norm(body.blocks(chosen))
        wanted = {"embedding": after[:, 0], "tokens": after[:, 1:]}
    for part in ("embedding", "tokens"):
        torch.testing.assert_close(found[part], wanted[part])
    assert model.features(IMAGES)["tokens"].shape[1] == count


def test_what_is_known_of_patches() -> None:
    found = patches_of(toy("vit_toy"), "visible")
    assert (found.width, found.count, found.pixels) == (16, 16, 3 * 8 * 8)
    resnet = patches_of(toy("resnet_toy"), "map")
    assert resnet.count == int(resnet.count**0.5) ** 2
    model = toy("vit_toy").train()
    patches_of(model, "tokens")
    assert model.training


def test_models_without_such_patches_are_refused() -> None:
    for needs in ("tokens", "visible"):
        with pytest.raises(BadInput, match="ResNet has no patches that can be hidden or left out; take a plain"):
            patches_of(toy("resnet_toy"), needs)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no patches that can be hidden"):
        patch_rows(torch.nn.Linear(2, 2), IMAGES)

    class Turning(torch.nn.Module):
        """Blocks that take positions beside the tokens."""

        def __init__(self) -> None:
            super().__init__()
            self.patch_embed = torch.nn.Module()
            self.patch_embed.proj = torch.nn.Conv2d(3, 4, 8, stride=8)
            self.blocks = torch.nn.ModuleList([torch.nn.Identity()])

        def forward(self, images: Tensor) -> Tensor:
            tokens = self.patch_embed.proj(images).flatten(2).transpose(1, 2)
            found: Tensor = self.blocks[0](tokens, rope=tokens)
            return found

    model = Turning()
    with (
        pytest.raises(BadInput, match="Turning has no patches"),
        visible_patches(model, torch.zeros(3, 1, dtype=torch.int64), 8),
    ):
        model(IMAGES)


def test_masks_are_blocks_of_the_share_that_was_asked_for() -> None:
    torch.manual_seed(0)
    masks = block_masks(2000, (14, 14), 0.5, (0.1, 0.5))
    shares = masks.float().mean(dim=1)
    masked = shares > 0
    assert masked.sum() == 1000, "always the same share, of pictures that are drawn"
    assert 400 < masked[:1000].sum() < 600
    assert {int(block_masks(5, (14, 14), 0.5, (0.1, 0.5)).any(dim=1).sum()) for _ in range(20)} == {2, 3}
    assert float(shares[masked].min()) > 0.05
    assert float(shares.max()) <= 0.5
    assert float(shares[masked].mean()) == pytest.approx(0.3, abs=0.02)
    grid = masks[masked].view(-1, 14, 14)
    beside = (grid[:, :, 1:] & grid[:, :, :-1]).float().sum() / grid[:, :, :-1].float().sum()
    assert float(beside) > 0.7, "of blocks most patches have a neighbour; of single patches three tenths would"
    torch.manual_seed(0)
    assert torch.equal(block_masks(2000, (14, 14), 0.5, (0.1, 0.5)), masks)
    assert not block_masks(9, (4, 4), 0.0, (0.1, 0.5)).any()
    assert block_masks(50, (2, 2), 1.0, (0.5, 0.5)).sum(dim=1).max() <= 2
