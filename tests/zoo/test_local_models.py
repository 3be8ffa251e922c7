"""Who names no model gets the best one that is here, and hears which and why."""

from pathlib import Path

import pytest

from omlzoo.checkpoints import fetch, manifest
from omlzoo.checkpoints.package import is_installed
from omlzoo.errors import OmlzooWarning
from omlzoo.zoo import local_models
from omlzoo.zoo.local_models import PHOTOS, best_here


@pytest.fixture(autouse=True)
def _nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_the_photo_package_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_models, "place_of", lambda entry: "installed package" if entry.name == PHOTOS else None)
    with pytest.warns(OmlzooWarning, match=f"{PHOTOS} is used; another model is named with --model"):
        assert best_here() == PHOTOS


def test_then_the_smallest_that_was_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"vitb16_dino", "vits16_dino", "resnet_small_omniglot"}
    monkeypatch.setattr(local_models, "place_of", lambda entry: "Hub cache" if entry.name in there else None)
    with pytest.warns(OmlzooWarning, match="vits16_dino is used, the smallest that was fetched"):
        assert best_here() == "vits16_dino"


def test_else_the_bundled_one_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_models, "place_of", lambda _: None)
    with pytest.warns(OmlzooWarning, match=r"drawn characters .* pip install 'omlzoo\[photos\]'"):
        assert best_here() == "resnet_small_omniglot"


def test_the_names_are_entries() -> None:
    package = manifest.find(PHOTOS).package
    assert package is not None
    assert isinstance(is_installed(package), bool)
    assert fetch.present(manifest.find(local_models.DRAWINGS))[0] is not None
