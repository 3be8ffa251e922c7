"""What :mod:`omlzoo.pipeline` does is seen through embed(), in test_extraction.py; here its own corners."""

import pytest
import torch
from toys import toy

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.pipeline import Pipeline, multiplies_bf16


def test_auto_is_bf16_only_where_the_hardware_multiplies_it() -> None:
    precision = Pipeline.of(toy("resnet_toy"), "auto", "cpu").precision
    assert precision == ("bf16" if multiplies_bf16(torch.device("cpu")) else "fp32")
    assert not multiplies_bf16(torch.device("meta"))


def test_a_bare_model_is_refused() -> None:
    with pytest.raises(BadInput, match="built bare"):
        Pipeline.of(catalog.find("models", "resnet_toy")().eval(), "fp32", "cpu")


def test_in_float32_on_the_cpu_the_model_is_not_copied() -> None:
    model = toy("resnet_toy")
    assert Pipeline.of(model, "fp32", "cpu").model is model
