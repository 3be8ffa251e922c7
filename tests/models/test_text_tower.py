"""The text towers equal the authors' equations, and open_clip's own modules where that is installed."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from reference_text import random_text, text_forward
from torch import nn

from omlzoo.checkpoints import manifest
from omlzoo.errors import WeightsMismatch
from omlzoo.models._text_tower import TOWERS, TextTower, text_state

NAMES = [name for name in manifest.names() if manifest.find(name).text is not None]
SHAPE = {"length": 7, "vocabulary": 20, "width": 16, "depth": 2, "heads": 4, "dim": 10, "hidden": None}
CLIP = random_text(16, 2, 7, 20, 10, seed=1)
SIGLIP = random_text(16, 2, 7, 20, 10, seed=2, bias=True)
TOKENS = torch.tensor([[18, 3, 4, 19, 0, 0, 0], [18, 5, 19, 19, 7, 0, 0], [18, 1, 2, 3, 4, 5, 19]])


def deviation(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("quick", [True, False])
@torch.inference_mode()
def test_clips_tower_equals_the_authors(quick: bool) -> None:
    from timm.layers import QuickGELU

    tower = TextTower(
        **SHAPE, activation=QuickGELU if quick else nn.GELU, end=19, causal=True, bias=False, epsilon=1e-5
    ).eval()
    tower.load_state_dict(text_state(CLIP, "x"))
    settings = {"causal": True, "end": 19, "eps": 1e-5}
    wanted = text_forward(CLIP, TOKENS, 4, activation="quick" if quick else "exact", **settings)
    assert deviation(tower(TOKENS), wanted) < 1e-5
    other = text_forward(CLIP, TOKENS, 4, activation="exact" if quick else "quick", **settings)
    assert deviation(tower(TOKENS), other) > 1e-3
    seen = TOKENS.clone()
    seen[0, 4:] = 9  # behind the end
    assert torch.allclose(tower(seen)[0], tower(TOKENS)[0], atol=1e-6), "nothing behind the end is read"


@pytest.mark.parametrize("tanh", [True, False])
@torch.inference_mode()
def test_siglips_tower_equals_the_authors(tanh: bool) -> None:
    activation = nn.GELU(approximate="tanh" if tanh else "none")
    tower = TextTower(**SHAPE, activation=lambda: activation, end=None, causal=False, bias=True, epsilon=1e-6).eval()
    tower.load_state_dict(text_state(SIGLIP, "x"))
    settings = {"causal": False, "end": None, "eps": 1e-6}
    wanted = text_forward(SIGLIP, TOKENS, 4, activation="tanh" if tanh else "exact", **settings)
    assert deviation(tower(TOKENS), wanted) < 1e-5


def test_a_file_without_a_text_tower_is_refused() -> None:
    with pytest.raises(WeightsMismatch, match="has no token_embedding.weight as a text tower has; found blocks.0"):
        text_state({"blocks.0.x": torch.zeros(1)}, "x")


def test_half_precision_files_are_read_as_float() -> None:
    state = text_state({key: value.half() for key, value in CLIP.items()}, "x")
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert not [key for key in state if key.startswith("visual")]


@pytest.mark.parametrize("name", NAMES)
def test_every_tower_has_the_size_that_its_entry_says(name: str) -> None:
    entry = manifest.find(name)
    assert entry.text is not None
    with torch.device("meta"):
        tower = TOWERS[entry.text.arch](**entry.text.arch_args)
    assert sum(parameter.numel() for parameter in tower.parameters()) == entry.text.params
    assert tower.dim == entry.dim, "its vectors are compared with the images'"
    tokenizer = entry.text.tokenizer
    assert max(tokenizer.end, tokenizer.pad, tokenizer.begin or 0) < tower.vocabulary
    assert tower.end in (None, tokenizer.end)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("open_clip") is None, reason="open_clip is not installed")
@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_every_tower_equals_open_clips_own(name: str) -> None:
    import open_clip
    from open_clip.model import _build_text_tower

    text = manifest.find(name).text
    assert text is not None
    config = text.source.split("model_configs/")[1].split(".json")[0]
    path = Path(open_clip.__file__).parent / "model_configs" / f"{config}.json"
    raw = json.loads(path.read_text())
    theirs = _build_text_tower(raw["embed_dim"], raw["text_cfg"], raw.get("quick_gelu", False)).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in theirs.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.copy_(parameter + 0.1 * noise if parameter.ndim == 1 else parameter * 2)
    ours = TOWERS[text.arch](**text.arch_args).eval()
    ours.load_state_dict(text_state(theirs.state_dict(), name))
    tokens = torch.randint(3, ours.vocabulary - 3, (4, ours.length), generator=generator)
    if ours.end is not None:
        for row, place in enumerate([3, 10, 1, ours.length - 1]):
            tokens[row, place] = ours.end
    assert deviation(ours(tokens), theirs(tokens)) < 1e-5
