"""Attention written out in bfloat16; the expected values are those of float32, and a loop over one picture."""

import copy

import pytest
import torch
from toys import toy

from omlzoo.models import _attention
from omlzoo.models._attention import explicit_in_bf16
from omlzoo.models._extractor import Extractor

STEP = 2.0**-8  # the largest relative error of rounding to bfloat16


def images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def ways(model: Extractor) -> list[bool]:
    return [bool(block.attn.fused_attn) for block in model.blocks]  # type: ignore[union-attr,operator]


def test_in_float32_no_bit_changes() -> None:
    model = toy("vit_toy")
    plain = copy.deepcopy(model)
    explicit_in_bf16(model)
    with torch.inference_mode():
        assert torch.equal(model(images()), plain(images()))
    assert all(ways(model))


def test_in_bfloat16_it_is_as_near_to_float32_as_the_fused_one() -> None:
    exact = toy("vit_toy")
    fused, explicit = copy.deepcopy(exact).bfloat16(), copy.deepcopy(exact).bfloat16()
    explicit_in_bf16(explicit)
    with torch.inference_mode():
        wanted = exact(images())
        found, other = explicit(images().bfloat16()).float(), fused(images().bfloat16()).float()
    assert not any(ways(explicit))
    scale = wanted.abs().max()
    assert (found - wanted).abs().max() < 8 * STEP * scale
    assert (found - other).abs().max() < 8 * STEP * scale


def test_one_block_is_softmax_of_q_k_times_v() -> None:
    model = toy("vit_toy").bfloat16()
    explicit_in_bf16(model)
    attention = model.blocks[0].attn  # type: ignore[union-attr,operator,index]
    tokens = torch.randn(1, 17, 16, generator=torch.Generator().manual_seed(1)).bfloat16()
    with torch.inference_mode():
        found = attention(tokens).float()[0]
        q, k, v = attention.qkv(tokens).float().view(17, 3, 2, 8).unbind(1)
        rows = []
        for head in range(2):
            shares = torch.softmax(q[:, head] @ k[:, head].T / 8**0.5, dim=1)
            rows.append(shares @ v[:, head])
        wanted = attention.proj.float()(torch.cat(rows, dim=1))
    assert torch.allclose(found, wanted, atol=8 * STEP * float(wanted.abs().max()))


def test_training_under_autocast_has_the_gradients_of_the_fused_one() -> None:
    gradients = []
    for explicit in (False, True):
        model = toy("vit_toy")
        if explicit:
            explicit_in_bf16(model)
        with torch.autocast("cpu", torch.bfloat16):
            model(images()).float().square().sum().backward()
        assert ways(model) == [not explicit] * 2
        gradients.append(torch.cat([part.grad.flatten() for part in model.parameters() if part.grad is not None]))
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.9995


def test_many_tokens_keep_the_fused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy("vit_toy").bfloat16()
    explicit_in_bf16(model)
    with torch.inference_mode():
        model(images().bfloat16())
        assert not any(ways(model))  # 17 tokens, 2 heads: 578 products
        monkeypatch.setattr(_attention, "MOST", 577)
        model(images().bfloat16())
    assert all(ways(model))
