"""An ensemble is the weighted mean of its members' similarities, with the facts of the strictest."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toys import toy

import omlzoo
from omlzoo.errors import BadInput
from omlzoo.zoo.joining import ensemble


def unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True)


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@settings(max_examples=20, deadline=None)
@given(first=st.floats(0.1, 10), second=st.floats(0.1, 10))
def test_the_similarity_of_an_ensemble_is_the_weighted_mean_of_its_members(first: float, second: float) -> None:
    members = [toy("resnet_toy"), toy("vit_toy", 1)]
    together = ensemble(members, weights=[first, second])
    pictures = images(2)
    with torch.inference_mode():
        cosines = [float((unit(member(pictures))[0] * unit(member(pictures))[1]).sum()) for member in members]
        found = together(pictures)
    assert together.dim == sum(member.dim for member in members)
    wanted = (first * cosines[0] + second * cosines[1]) / (first + second)
    assert float((found[0] * found[1]).sum()) == pytest.approx(wanted, abs=1e-5)


def test_a_sum_is_the_sum_of_directions() -> None:
    members = [toy("resnet_toy"), toy("resnet_toy", 1)]
    together = ensemble(members, combine="sum")
    with torch.inference_mode():
        wanted = unit(unit(members[0](images())) + unit(members[1](images())))
        torch.testing.assert_close(together(images()), wanted, atol=1e-5, rtol=1e-4)
    with pytest.raises(BadInput, match=r"combine is 'sum' and the members have \[64, 16\] numbers; concatenate"):
        ensemble([members[0], toy("vit_toy")], combine="sum")


def test_facts_of_an_ensemble_are_the_strictest() -> None:
    first, second = toy("resnet_toy"), toy("vit_toy")
    assert ensemble([first, second]).entry.license == "mit"
    second.weights = replace(second.facts, entry=replace(second.entry, license="cc-by-nc-4.0", commercial=False))
    facts = ensemble([first, second]).entry
    assert (facts.license, facts.commercial, facts.family) == (None, False, "ensemble")
    assert facts.params == first.entry.params + second.entry.params


def test_members_that_are_prepared_in_another_way_are_said() -> None:
    first, second = toy("resnet_toy"), toy("vit_toy")
    other = replace(second.entry.preprocess, mode="squash")
    second.weights = replace(second.facts, entry=replace(second.entry, preprocess=other))
    with pytest.warns(UserWarning, match="not how vit_toy_test was trained"):
        ensemble([first, second])


@pytest.mark.parametrize(
    ("models", "weights", "said"),
    [
        ("resnet_toy", None, "takes a list"), ([], None, "2 to 8"), (["a"], [1], "1 members"), (["a"] * 9, None, "9 members"),
        (["a", "a"], [1], "weights has 1 numbers for 2 models"), (["a", "a"], [1, 0], "must be above 0"),
        (["a", "a"], [1, float("inf")], "must be above 0"),
    ],
)  # fmt: skip
def test_odd_ensembles_are_refused(models: object, weights: list[float] | None, said: str) -> None:
    given = [toy("resnet_toy", seed) for seed, _ in enumerate(models)] if isinstance(models, list) else models
    with pytest.raises(BadInput, match=said):
        ensemble(given, weights=weights)  # type: ignore[arg-type]


def test_an_ensemble_takes_images_of_its_own_size_only(tmp_path: Path) -> None:
    ensemble([toy("resnet_toy"), toy("vit_toy")]).save(tmp_path / "kept")
    with pytest.raises(BadInput, match="the first member of the ensemble reads 32 x 32 pixels"):
        omlzoo.get_model(tmp_path / "kept", image_size=48)
