"""What :mod:`omlzoo.embedding.pipeline` does is seen through embed(), in test_extraction.py; here its own corners."""

import pytest
import torch
from toys import toy

from omlzoo import catalog
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline, multiplies_bf16
from omlzoo.errors import BadInput

PLAIN = ComputeOptions(precision="fp32", device="cpu")


def test_auto_is_bf16_only_where_the_hardware_multiplies_it() -> None:
    precision = Pipeline.of(toy("resnet_toy"), ComputeOptions(device="cpu")).precision
    assert precision == ("bf16" if multiplies_bf16(torch.device("cpu")) else "fp32")
    assert not multiplies_bf16(torch.device("meta"))


def test_a_bare_model_is_refused() -> None:
    with pytest.raises(BadInput, match="built bare"):
        Pipeline.of(catalog.find("models", "resnet_toy")().eval(), PLAIN)


def test_in_float32_on_the_cpu_only_convolutions_are_copied_and_laid_out_anew() -> None:
    model = toy("vit_toy")
    assert Pipeline.of(model, PLAIN).model is model
    model = toy("resnet_toy")
    used = Pipeline.of(model, PLAIN).model
    assert used.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert model.conv1.weight.is_contiguous(), "the caller's own is as it was"
    assert torch.equal(used.conv1.weight, model.conv1.weight)
