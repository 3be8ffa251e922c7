"""OpenVINO against torch, and what it keeps."""

import threading

import pytest
import torch
from torch import Tensor
from toys import toy

from omlzoo.checkpoints import cache
from omlzoo.embedding.engines import OpenVinoEngine
from omlzoo.embedding.hardware import has_bf16

CPU = torch.device("cpu")


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("arch", ["vit_toy", pytest.param("resnet_toy", marks=pytest.mark.slow)])
def test_in_float32_it_computes_what_torch_computes(arch: str) -> None:
    pytest.importorskip("openvino")
    model = toy(arch, normalize=True)
    engine = OpenVinoEngine(model, "fp32", CPU)
    for count in (1, 6):
        with torch.inference_mode():
            wanted = model(images(count))
        found = engine(images(count))
        assert found.dtype == torch.float32
        assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
        assert torch.nn.functional.cosine_similarity(found, wanted).min() > 1 - 1e-6
    assert list((cache.home() / "engines" / "openvino").glob("*.blob")), "what was compiled is kept"


def test_in_bfloat16_it_is_near() -> None:
    pytest.importorskip("openvino")
    if not has_bf16(CPU):
        pytest.skip("this processor does not multiply bfloat16")
    model = toy("vit_toy", normalize=True)
    with torch.inference_mode():
        wanted = model(images(6))
    found = OpenVinoEngine(model, "bf16", CPU)(images(6))
    assert torch.nn.functional.cosine_similarity(found, wanted).min() > 0.999
    assert not torch.equal(found, wanted)


def test_threads_do_not_share_their_numbers() -> None:
    pytest.importorskip("openvino")
    model = toy("vit_toy", normalize=True)
    engine = OpenVinoEngine(model, "fp32", CPU)
    alone = {count: engine(images(count)) for count in (1, 2, 3, 4)}
    found: dict[int, list[Tensor]] = {count: [] for count in alone}

    def work(count: int) -> None:
        for _ in range(20):
            found[count].append(engine(images(count)))

    threads = [threading.Thread(target=work, args=(count,)) for count in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(each, alone[count]) for count, results in found.items() for each in results)
