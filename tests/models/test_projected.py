"""A projection after a body: orthogonal at first, cut and named as the body is."""

import torch
from toys import toy

from omlzoo import catalog
from omlzoo.models._projected import Projected


def test_the_embedding_is_the_bodys_before_its_normalisation_through_a_linear_layer() -> None:
    body = toy("resnet_toy")
    model = Projected(body, 4).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        wanted = body.embed(images)["embedding"] @ model.project.weight.T
        assert torch.allclose(model(images), wanted, atol=1e-5)
        hidden = model.until(images, 2)
        assert torch.allclose(model.onward(hidden, 2), wanted, atol=1e-5)
    assert torch.allclose(model.project.weight @ model.project.weight.T, torch.eye(4), atol=1e-5)
    assert len(model.stages()) == len(body.stages()) + 1


def test_it_is_an_architecture_by_name() -> None:
    model = catalog.find("models", "projected")("resnet_toy", 3).eval()
    assert isinstance(model, Projected)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
