"""The tests' own Hub, caches and pictures. Nothing here reaches the network or the user's caches."""

import gc
import os
import tempfile
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub

gc.disable()  # until the tests are collected: scans of the imported libraries would take seconds and free nothing

HUB = LoopbackHub()
CACHE = tempfile.TemporaryDirectory(prefix="omlzoo-tests-")
os.environ.update(
    HF_ENDPOINT=HUB.url,
    HF_HOME=f"{CACHE.name}/hf",
    OMLZOO_HOME=f"{CACHE.name}/omlzoo",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DOWNLOAD_TIMEOUT="2",
    HF_HUB_ETAG_TIMEOUT="2",
)
for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
    os.environ.pop(name, None)

from places import SHARED  # noqa: E402
from toys import toy  # noqa: E402

import omlzoo  # noqa: E402
from omlzoo.data import synthetic  # noqa: E402
from omlzoo.embedding.embeddings import Embeddings  # noqa: E402
from omlzoo.models._extractor import Extractor  # noqa: E402


def pytest_collection_finish() -> None:
    """Garbage is collected again, but for what was imported."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Libraries that look for leaks when Python ends see everything again."""
    gc.unfreeze()


@pytest.fixture
def hub() -> LoopbackHub:
    """A Hub on loopback that has nothing yet."""
    HUB.clear()
    return HUB


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The csv of 4 invented alphabets, the last one the validation split; 8 characters each by 5 drawers, 48 pixels."""
    folder = tmp_path_factory.mktemp("drawn")
    return synthetic.write_alphabets(folder, alphabets=4, characters=8, drawers=5, size=48, seed=1)


@pytest.fixture(scope="session")
def drawn_embeddings(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    """Vectors of these pictures by a small ResNet that lies in a folder."""
    folder = tmp_path_factory.mktemp("drawn_model") / "model"
    toy("resnet_toy").save(folder)
    return omlzoo.embed(omlzoo.get_model(str(folder)), drawn, precision="fp32", progress=False)


@pytest.fixture
def model() -> Extractor:
    """A small ResNet with an entry and random weights."""
    return toy("resnet_toy")


@pytest.fixture
def shared() -> Path:
    """The folder of real pictures, or a skip with the reason."""
    if not SHARED.is_dir():
        pytest.skip(f"no real pictures at {SHARED}")
    return SHARED
