"""What every engine promises, and what it refuses."""

import inspect

import pytest
import torch

from omlzoo import catalog
from omlzoo.embedding.engines._engine import check_on_cpu
from omlzoo.embedding.options import ENGINES
from omlzoo.errors import BadInput


def test_each_runtime_has_its_engine_and_all_are_made_alike() -> None:
    offered = catalog.names("embedding.engines")
    assert set(ENGINES.values()) == set(offered)
    for engine in offered.values():
        taken = inspect.signature(engine).parameters.values()
        assert [each.name for each in taken if each.default is each.empty] == ["model", "precision", "device"]


def test_other_devices_and_precisions_are_refused() -> None:
    check_on_cpu("bf16", torch.device("cpu"), ("fp32", "bf16"), "openvino")
    for precision, device in (("int4", "cpu"), ("fp32", "meta")):
        with pytest.raises(BadInput, match=f"fp32 or bf16 on the CPU; precision is '{precision}', device {device}"):
            check_on_cpu(precision, torch.device(device), ("fp32", "bf16"), "openvino")
