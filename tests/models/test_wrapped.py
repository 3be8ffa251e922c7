"""A module inside an extractor: its keys, its stages, and the class that a path leads to."""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from own_package import write_package
from torch import nn

from omlzoo.errors import BadEntry, BadInput
from omlzoo.models._projected import Projected
from omlzoo.models._trust import trusting
from omlzoo.models._wrapped import Wrapped, vector_of, wrapped


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = write_package(tmp_path / "site")
    write_package(tmp_path / "site", "my")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield home
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mypackage", "my")]:
        del sys.modules[name]


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def test_keys_are_the_modules_own_also_inside_a_projection() -> None:
    module = net()
    model = Wrapped(module, 8)
    assert model.state_dict().keys() == module.state_dict().keys()
    longer = Projected(model, 4)
    assert set(longer.state_dict()) == {f"body.{key}" for key in module.state_dict()} | {
        "project.weight",
        "project.bias",
    }
    images = torch.randn(2, 3, 16, 16)
    for one, other in ((model, Wrapped(net(1), 8)), (longer.eval(), Projected(Wrapped(net(1), 8), 4).eval())):
        assert not torch.equal(one(images), other(images))
        for assign in (False, True):
            other.load_state_dict(one.state_dict(), assign=assign)
            assert torch.equal(one(images), other(images))
        assert torch.equal(copy.deepcopy(one)(images), one(images))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        model.load_state_dict({**module.state_dict(), "more": torch.zeros(1)})


def test_stages_are_the_parts_with_weights_in_their_order() -> None:
    module = net()
    assert Wrapped(module, 8).stages() == [[module[0]], [module[1]]]
    assert Wrapped(nn.Sequential(module), 8).stages() == [[module[0]], [module[1]]], "a shell is no stage"
    assert Wrapped(module[0], 8).stages() == [[module[0]]]


@pytest.mark.parametrize("output", [torch.zeros(2, 5), torch.zeros(2, 5, 1, 1), {"pooler_output": torch.zeros(2, 5)},
                                    {"a": torch.zeros(2, 9), "embedding": torch.zeros(2, 5)}])  # fmt: skip
def test_a_vector_is_found(output: object) -> None:
    assert vector_of(output, "Net").shape == (2, 5)


@pytest.mark.parametrize(
    "output", [torch.zeros(2, 5, 7, 7), torch.zeros(5), (torch.zeros(2, 5),), {"a": torch.zeros(2, 5)}, None]
)
def test_what_is_no_vector_is_refused(output: object) -> None:
    with pytest.raises(BadInput, match=r"an extractor gives \(B, dim\)"):
        vector_of(output, "Net")


@pytest.mark.parametrize("trust", [None, "my", "mypack", "os", "mypackage.net", "mypackage.nets.Ne"])
def test_without_the_users_word_nothing_is_imported(trust: str | None, package: Path) -> None:
    with (
        trusting(trust),
        pytest.raises(BadInput, match=r"the class mypackage.nets.Net.*trust='mypackage'.*module=Net\(\)"),
    ):
        wrapped("mypackage.nets.Net", 8)
    assert not (package / "imported").exists()
    assert "mypackage" not in sys.modules


@pytest.mark.parametrize(
    "path", ["os.system", "subprocess.Popen", "torch.nn.modules.linear.Linear", "my.nets.Net", "builtins.eval"]
)
def test_a_path_outside_the_named_package_is_not_followed(path: str) -> None:
    with trusting("mypackage"), pytest.raises(BadInput, match="if you trust that package"):
        wrapped(path, 8)
    assert "my" not in sys.modules


@pytest.mark.parametrize("name", ["make", "alias", "Linear", "nn", "NoModule", "Path", "Outer.Inner", "none", "Tensor"])
def test_only_a_module_class_that_is_defined_there_is_built(name: str, package: Path) -> None:
    with trusting("mypackage"), pytest.raises(BadEntry):
        wrapped(f"mypackage.nets.{name}", 8)
    assert not (package / "made").exists()


def test_a_trusted_class_is_built_with_its_arguments() -> None:
    with trusting("mypackage"):
        model = wrapped("mypackage.nets.Net", 4, {"width": 4, "sharp": 2.0})
    assert (model(torch.zeros(1, 3, 8, 8)).shape, model.module.sharp) == ((1, 4), 2.0)


def test_what_is_handed_over_needs_no_trust(package: Path) -> None:
    module = net()
    with (
        trusting(None, module),
        pytest.warns(match="the entry names the class mypackage.nets.Net; the module handed over"),
    ):
        assert wrapped("mypackage.nets.Net", 8).module is module
    assert not (package / "imported").exists()
