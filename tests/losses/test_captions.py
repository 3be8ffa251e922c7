"""Losses over pictures and captions equal a loop over their papers' equations and transformers' own models."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses import CLIPLoss, SigLIPLoss

LABELS = torch.tensor([0, 1, 2, 1, 3])


def pair(size: int = 5, dim: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(size, dim, generator=draw, dtype=torch.float64)
    texts = torch.randn(size, dim, generator=draw, dtype=torch.float64)
    return images.requires_grad_(), texts.requires_grad_()


def cosine(left: Tensor, right: Tensor) -> Tensor:
    return left @ right / left.norm() / right.norm()


def clip_by_hand(images: Tensor, texts: Tensor, labels: list[int], log_scale: Tensor) -> Tensor:
    values = []
    for rows, columns in ((images, texts), (texts, images)):
        for i, row in enumerate(rows):
            logits = [cosine(row, column) * log_scale.exp() for column in columns]
            total = torch.stack([logit.exp() for logit in logits]).sum()
            right = [logits[j].exp() / total for j in range(len(labels)) if labels[j] == labels[i]]
            values.append(-torch.stack([chance.log() for chance in right]).mean() / len(labels))
    return torch.stack(values).sum() / 2


def siglip_by_hand(images: Tensor, texts: Tensor, labels: list[int], log_scale: Tensor, bias: Tensor) -> Tensor:
    total = torch.zeros(())
    for i, image in enumerate(images):
        for j, text in enumerate(texts):
            z = 1 if labels[i] == labels[j] else -1
            total = total + torch.log(1 / (1 + torch.exp(-z * (cosine(image, text) * log_scale.exp() + bias))))
    return -total / len(images)


@pytest.mark.parametrize("labels", [None, LABELS], ids=["own", "equal"])
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_values_and_gradients_equal_the_loop(kind: str, labels: Tensor | None) -> None:
    images, texts = pair()
    loss: Any = CLIPLoss(0.2).double() if kind == "clip" else SigLIPLoss(0.2, -2.0).double()
    value = loss(images, texts, labels)
    learned = list(loss.parameters())
    found = torch.autograd.grad(value, [images, texts, *learned])
    copies = [each.detach().clone().requires_grad_() for each in (images, texts, *learned)]
    by_hand: Any = clip_by_hand if kind == "clip" else siglip_by_hand
    wanted = by_hand(copies[0], copies[1], list(range(5)) if labels is None else labels.tolist(), *copies[2:])
    assert value.item() == pytest.approx(wanted.item(), rel=1e-9)
    for ours, theirs in zip(found, torch.autograd.grad(wanted, copies), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def tower_config(**more: Any) -> dict[str, Any]:
    return {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, **more}


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_values_and_gradients_equal_transformers(kind: str) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    text = tower_config(vocab_size=20, max_position_embeddings=6, bos_token_id=0, eos_token_id=1, pad_token_id=1)
    picture = tower_config(image_size=8, patch_size=4)
    torch.manual_seed(0)
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=picture, projection_dim=5)
        model = transformers.CLIPModel(config)
    else:
        config = transformers.SiglipConfig(text_config=text | {"projection_size": 8}, vision_config=picture)
        model = transformers.SiglipModel(config)
        torch.nn.init.constant_(model.logit_scale, 0.7)
        torch.nn.init.constant_(model.logit_bias, -0.3)
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(2, 20, (4, 6), generator=draw)
    ids[:, -1] = 1
    out = model(input_ids=ids, pixel_values=torch.randn(4, 3, 8, 8, generator=draw), return_loss=True)
    out.loss.backward()
    scale = model.logit_scale.detach().exp().item()
    loss = CLIPLoss(1 / scale) if kind == "clip" else SigLIPLoss(1 / scale, model.logit_bias.item())
    value = loss(out.image_embeds.detach(), out.text_embeds.detach())
    value.backward()
    assert value.item() == pytest.approx(out.loss.item(), rel=1e-5)
    assert loss.log_scale.grad.item() == pytest.approx(model.logit_scale.grad.item(), rel=1e-4, abs=1e-6)
    if isinstance(loss, SigLIPLoss):
        assert loss.offset.grad is not None
        assert loss.offset.grad.item() == pytest.approx(model.logit_bias.grad.item(), rel=1e-4)


def test_the_temperature_of_clip_does_not_fall_below_a_hundredth() -> None:
    images, texts = pair()
    loss = CLIPLoss(0.001)
    at_most = CLIPLoss(0.01)
    assert loss(images, texts).item() == pytest.approx(at_most(images, texts).item())
    assert loss.temperature == pytest.approx(0.01)
    assert loss.log_scale.item() == pytest.approx(math.log(100))


@pytest.mark.parametrize("loss", [CLIPLoss(), SigLIPLoss()])
def test_statistics_and_batches_that_tell_nothing_apart(loss: Any) -> None:
    images = torch.eye(3, requires_grad=True)
    loss(images, torch.eye(3)[[0, 2, 1]])
    assert loss.stats["right_texts"] == pytest.approx(1 / 3)
    assert loss.stats["right_pictures"] == pytest.approx(1 / 3)
    loss(images, torch.eye(3)[[0, 2, 1]], torch.tensor([0, 1, 1]))
    assert loss.stats["right_texts"] == 1, "equal captions are right for each other"
    assert loss.stats["empty_batches"] == 0
    for rows, labels in ((images, torch.zeros(3)), (images[:1], None), (images[:0], None)):
        value = loss(rows, rows.detach(), labels)
        value.backward()
        assert value.item() == 0
    assert loss.stats["empty_batches"] == 3


@pytest.mark.parametrize("loss", [CLIPLoss(), SigLIPLoss()])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss: Any, kind: torch.dtype) -> None:
    images, texts = (each.detach().to(kind) for each in pair())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(images, texts)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(images.float(), texts.float()).item(), rel=1e-5)


def test_bad_input_is_one_line() -> None:
    images, texts = (each.detach() for each in pair())
    with pytest.raises(BadInput, match="images have 4 dimensions, texts 3; both must have as many"):
        CLIPLoss()(images, texts[:, :3])
    with pytest.raises(BadInput, match="texts and their labels have the shapes"):
        CLIPLoss()(images, texts[:3])
    with pytest.raises(BadInput, match="images .* not finite|images"):
        SigLIPLoss()(images * float("nan"), texts)
    with pytest.raises(BadInput, match="temperature is 0; it must be above 0"):
        SigLIPLoss(0)


def test_they_are_printed_as_the_call_that_makes_them() -> None:
    assert repr(CLIPLoss()) == "CLIPLoss(temperature=0.07)"
    assert repr(SigLIPLoss(gather=True)) == "SigLIPLoss(temperature=0.1, bias=-10.0, gather=True)"
