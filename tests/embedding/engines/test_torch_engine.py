"""The model itself."""

import torch
from toys import toy

from omlzoo.embedding.engines import TorchEngine

CPU = torch.device("cpu")


def test_float32_is_the_models_own_forward_pass() -> None:
    model, images = toy("vit_toy"), torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(TorchEngine(model, "fp32", CPU)(images), model(images))


def test_a_model_that_trains_goes_on_training() -> None:
    model = toy("resnet_toy").train()
    engine = TorchEngine(model, "fp32", CPU)
    assert model.training
    assert not engine.model.training


def test_in_bfloat16_attention_is_written_out() -> None:
    engine = TorchEngine(toy("vit_toy"), "bf16", CPU)
    assert engine(torch.randn(2, 3, 32, 32)).dtype == torch.float32
    assert [block.attn.fused_attn for block in engine.model.blocks] == [False, False]  # type: ignore[union-attr,operator]
