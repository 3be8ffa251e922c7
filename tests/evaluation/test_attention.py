"""Where a model looks: the attention of a block computed by hand, and a map whose answer is known."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from toys import toy

from omlzoo.evaluation.attention import attention, overlay


def test_it_is_the_class_tokens_attention_in_the_last_block() -> None:
    model = toy("vit_toy")
    images = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []
    block = model.blocks[-1]
    block.attn.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    model(images)
    (tokens,) = seen  # (2, 1 + 24, 16), after the norm
    weight, bias = block.attn.qkv.weight, block.attn.qkv.bias
    expected = torch.zeros(2, 24)
    for picture in range(2):
        for head in range(2):
            rows = slice(8 * head, 8 * head + 8)
            query = weight[:16][rows] @ tokens[picture, 0] + bias[:16][rows]
            scores = torch.stack(
                [query @ (weight[16:32][rows] @ token + bias[16:32][rows]) for token in tokens[picture]]
            )
            expected[picture] += (scores / 8**0.5).softmax(dim=0)[1:].detach() / 2
    low, high = expected.amin(dim=1, keepdim=True), expected.amax(dim=1, keepdim=True)
    found = attention(model, images)
    assert found is not None
    torch.testing.assert_close(found, ((expected - low) / (high - low)).view(2, 4, 6), rtol=1e-4, atol=1e-5)


def test_of_a_map_it_is_where_the_pooled_vector_comes_from() -> None:
    class Corner(nn.Module):
        def embed(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"map": torch.zeros(1, 2, 3, 3).index_put((torch.tensor(0),) * 4, torch.tensor(5.0))}

    expected = torch.zeros(1, 3, 3)
    expected[0, 0, 0] = 1
    assert torch.equal(attention(Corner(), torch.zeros(1, 3, 9, 9)), expected)  # type: ignore[arg-type]


def test_a_picture_is_coloured_where_the_model_looks() -> None:
    picture = Image.linear_gradient("L").resize((50, 40)).convert("RGB").point(lambda level: level * 0.6)
    model = toy("vit_toy")
    model.blocks[-1].attn.qkv.weight.data *= 30  # so that it prefers some places
    found = overlay(model, picture)
    assert found is not None
    assert found.size == (32, 32)
    seen = (model.transforms()(picture) * 0.25 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() * 255
    shown = np.asarray(found, float)
    assert shown[..., 0].mean() > seen[..., 0].mean() + 10, "it turns red"
    weights = attention(model, model.transforms()(picture)[None])
    assert weights is not None
    change = ((shown - seen) / (255 - seen))[..., 0].reshape(4, 8, 4, 8).mean(axis=(1, 3))
    assert np.corrcoef(change.ravel(), weights[0].numpy().ravel())[0, 1] > 0.8
