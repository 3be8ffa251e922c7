"""What :mod:`omlzoo.embedding.pipeline` does is seen through embed(), in test_extraction.py; here its own corners."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import toy

from omlzoo import catalog
from omlzoo.embedding.columns import NOT_FINITE
from omlzoo.embedding.hardware import multiplies_bf16
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline
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


def photographs(count: int) -> list[Image.Image]:
    return [Image.effect_noise((40, 40), 20 + 9 * i).convert("RGB") for i in range(count)]


def test_a_broken_neighbour_changes_no_bit_of_the_others() -> None:
    run, pictures = Pipeline.of(toy("vit_toy"), PLAIN), photographs(7)
    sizes: list[int] = []
    compute = run.engine
    run.engine = lambda images: (sizes.append(len(images)), compute(images))[1]  # type: ignore[func-returns-value]
    whole, _ = run.both([(picture, None) for picture in pictures])
    broken, errors = run.both([(b"x" if i in (0, 4) else picture, None) for i, picture in enumerate(pictures)])
    assert sizes == [7, 7], "the model sees batches of the same size"
    assert [bool(error) for error in errors] == [True, False, False, False, True, False, False]
    assert np.isnan(broken).all(axis=1).tolist() == [bool(error) for error in errors]
    assert np.array_equal(np.delete(broken, [0, 4], axis=0), np.delete(whole, [0, 4], axis=0))
    run.both([(b"x", None)] * 3)
    assert sizes == [7, 7], "nothing is computed where nothing could be read"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_an_error_of_their_row(
    precision: str, normalize: bool, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Pipeline.of(toy("vit_toy", normalize=normalize), ComputeOptions(precision=precision, device="cpu"))  # type: ignore[arg-type]
    embed = type(run.model).embed

    def spoiled(self: torch.nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
        vectors = embed(self, images)["embedding"].clone()
        vectors[1, 3] = number
        return {"embedding": vectors}

    monkeypatch.setattr(type(run.model), "embed", spoiled)
    vectors, errors = run.both([(picture, None) for picture in photographs(3)])
    assert errors == ["", f"a picture: {NOT_FINITE}", ""]
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(vectors[[0, 2]]).all()


def test_lengths_that_leave_float32_are_an_error_and_not_a_vector_of_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Pipeline.of(toy("vit_toy", normalize=True), PLAIN)
    embed = type(run.model).embed
    monkeypatch.setattr(
        type(run.model), "embed", lambda self, images: {"embedding": embed(self, images)["embedding"] * 1e30}
    )
    vectors, errors = run.both([(photographs(1)[0], None)])
    assert np.isnan(vectors).all()
    assert errors == [f"a picture: {NOT_FINITE}"]


def test_the_error_names_the_file(tmp_path: Path) -> None:
    model = toy("resnet_toy")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    photographs(1)[0].save(tmp_path / "a.png")
    _, errors = Pipeline.of(model, PLAIN).both([(tmp_path / "a.png", None)])
    assert errors == [f"{tmp_path / 'a.png'}: {NOT_FINITE}"]
