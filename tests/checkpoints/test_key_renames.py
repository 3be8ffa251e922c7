"""Patterns of keys, and what patterns cannot say."""

import pytest
import torch
from reference_clip import random_clip

from omlzoo.checkpoints import key_renames, layouts


@pytest.mark.parametrize(
    ("key", "names", "wanted"),
    [
        ("a.3.x.weight", (("a.#.x.*", "b.#.y.*"),), "b.3.y.weight"),
        ("aa.3.x.weight", (("a.#.x.*", "b.#.y.*"),), "aa.3.x.weight"),  # the whole key, not its end
        ("a.3.xx.weight", (("a.#.x.*", "b.#.y.*"),), "a.3.xx.weight"),
        ("a.b.x.weight", (("a.#.x.*", "b.#.y.*"),), "a.b.x.weight"),  # a number is a number
        ("blocks.0.11.norm1.bias", (("blocks.?.#.*", "blocks.#.*"),), "blocks.11.norm1.bias"),
        ("x", (("x", "first"), ("x", "second")), "first"),
        ("x.y", (("x.y", "z"), ("*", "w.*")), "z"),
        ("axy", (("a.y", "z"),), "axy"),  # a dot is a dot
    ],
)
def test_a_key_is_renamed_as_a_whole(key: str, names: key_renames.Names, wanted: str) -> None:
    assert key_renames.renamed(key, names) == wanted


def test_clips_projection_becomes_a_layer_with_a_bias_of_zeros() -> None:
    raw = random_clip(16, 2, 8, 4, 8, 1)
    found = layouts.convert(raw, "clip", "x")
    assert torch.equal(found["head.weight"], raw["visual.proj"].T)
    assert not found["head.bias"].any()
    assert layouts.convert(found, "timm_clip", "x").keys() == found.keys()
    assert found["cls_token"].shape == (1, 1, 16)
    assert found["pos_embed"].shape == (1, 17, 16)


def test_queries_keys_and_values_are_joined_in_this_order() -> None:
    parts = {
        f"blocks.0.attn.{part}.weight": torch.full((2, 2), float(i)) for i, part in enumerate(["query", "key", "value"])
    }
    found = key_renames.join_attention({**parts, "pos_embed": torch.ones(1, 5, 2)})
    assert found["blocks.0.attn.qkv.weight"][:, 0].tolist() == [0, 0, 1, 1, 2, 2]
