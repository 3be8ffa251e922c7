"""ONNX Runtime against torch."""

import pytest
import torch
from toys import toy

from omlzoo.embedding.engines import OnnxEngine
from omlzoo.errors import BadInput

CPU = torch.device("cpu")


def test_it_computes_what_torch_computes_in_batches_of_any_size() -> None:
    pytest.importorskip("onnxruntime")
    model = toy("vit_toy", normalize=True)
    engine = OnnxEngine(model, "fp32", CPU)
    for count in (1, 5):
        images = torch.randn(count, 3, 32, 32)
        with torch.inference_mode():
            wanted = model(images)
        assert (engine(images) - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_what_it_has_not_is_refused() -> None:
    with pytest.raises(BadInput, match="runtime 'onnx' computes in fp32 on the CPU; precision is 'bf16', device cpu"):
        OnnxEngine(toy("vit_toy"), "bf16", CPU)
    with pytest.raises(BadInput, match="device meta"):
        OnnxEngine(toy("vit_toy"), "fp32", torch.device("meta"))
