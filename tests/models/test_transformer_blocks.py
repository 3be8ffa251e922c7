"""What `test_transformer` does not see of the blocks: paths that are dropped, and attention by a loop."""

import math

import torch
from torch import Tensor, nn

from omlzoo.models._transformer_blocks import Attention, Block, Mlp, truncated_normal


def test_attention_is_what_a_loop_computes() -> None:
    torch.manual_seed(0)
    attention, tokens = Attention(8, 2, bias=True).double(), torch.randn(1, 5, 8, dtype=torch.float64)
    query, key, value = attention.qkv(tokens[0]).detach().split(8, dim=1)
    mixed = torch.zeros(5, 8, dtype=torch.float64)
    for head in (slice(0, 4), slice(4, 8)):
        for row in range(5):
            scores = [math.exp(float(query[row, head] @ key[other, head]) / 2) for other in range(5)]
            mixed[row, head] = sum(s / sum(scores) * value[other, head] for other, s in enumerate(scores))
    for fused in (True, False):
        attention.fused_attn = fused
        torch.testing.assert_close(attention(tokens)[0], attention.proj(mixed))


def test_a_block_whose_paths_are_dropped_changes_nothing() -> None:
    class Nothing(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return torch.zeros_like(tokens)

    block = Block(8, lambda: Attention(8, 2, True), lambda: Mlp(8, 16, nn.GELU), 1e-6, 0.5)
    tokens = torch.randn(2, 3, 8)
    assert not torch.equal(block(tokens), tokens)
    block.drop_path1 = block.drop_path2 = Nothing()
    assert torch.equal(block(tokens), tokens)


def test_numbers_of_a_truncated_normal_distribution_end_at_two() -> None:
    torch.manual_seed(0)
    numbers = torch.empty(20_000)
    truncated_normal(numbers, 1.0)
    assert numbers.abs().max() <= 2
    assert abs(float(numbers.mean())) < 0.02
    assert abs(float(numbers.std()) - 0.88) < 0.02  # of the standard normal distribution cut off at 2
