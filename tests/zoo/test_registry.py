"""What no name, folder or module of ours is, is answered with how to say it."""

import pytest
import torch

import omlzoo
from omlzoo.errors import BadEntry, BadInput
from omlzoo.zoo.registry import open_model


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/convnext_tiny.fb_in22k", "is hf-hub:timm/convnext_tiny.fb_in22k, or timm:convnext_tiny.fb_in22k"),
        ("facebook/dinov2-small", "there is no such folder; a repository of the Hub is hf-hub:facebook/dinov2-small"),
    ],
)
def test_a_repository_of_the_hub_needs_its_prefix(name: str, said: str) -> None:
    with pytest.raises(BadEntry, match=said):
        omlzoo.get_model(name)


def test_a_module_of_elsewhere_is_no_extractor() -> None:
    with pytest.raises(BadInput, match="model is a Linear, no extractor of omlzoo; wrap it: omlzoo.wrap"):
        open_model(torch.nn.Linear(2, 2))  # type: ignore[arg-type]
