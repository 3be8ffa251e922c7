"""What is asked of the hardware."""

import pytest
import torch

from omlzoo.embedding.hardware import cores, device_of, has_bf16, multiplies_bf16, processor
from omlzoo.errors import BadInput

CPU = torch.device("cpu")


def test_what_always_gains_by_bf16_has_it() -> None:
    assert has_bf16(CPU) or not multiplies_bf16(CPU)
    assert not multiplies_bf16(torch.device("meta"))
    assert not has_bf16(torch.device("meta"))


def test_instructions_without_amx_are_bf16_that_may_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_is_amx_tile_supported", False), ("_is_avx512_bf16_supported", True)):
        monkeypatch.setattr(torch.cpu, name, lambda value=value: value)
    assert (multiplies_bf16(CPU), has_bf16(CPU)) == (False, True)


def test_a_processor_is_named_the_same_each_time() -> None:
    assert processor(CPU) == processor(CPU)
    assert processor(CPU)
    assert cores() >= 1


def test_devices_by_name() -> None:
    assert device_of("auto", torch.device("meta")) == torch.device("meta")
    assert device_of("auto", torch.device("meta"), on_cpu=True) == CPU
    assert device_of("cpu", torch.device("meta")) == CPU
    with pytest.raises(BadInput, match="device is 'gpu'; it must be auto, cpu"):
        device_of("gpu", CPU)
