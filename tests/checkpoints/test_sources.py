"""Facts of where weights lie besides the Hub follow their rules."""

import pytest

from omlzoo.checkpoints.sources import Package, Upstream
from omlzoo.errors import BadEntry

GOOD = {"distribution": "omlzoo-shoes", "version": "1.0.0", "file": "a/b.safetensors", "sha256": "0" * 64, "size": 1}


def test_good_facts_are_taken() -> None:
    assert Package(**GOOD).file == "a/b.safetensors"  # type: ignore[arg-type]
    assert Upstream("https://a.example/x.pth", "sha256:" + "0" * 64, "clip").pin is None


@pytest.mark.parametrize(("key", "value"), [
    ("distribution", ""), ("distribution", "a b"), ("distribution", "-x"), ("distribution", "x" * 101), ("version", ""), ("version", "1 2"),
    ("version", "'; rm"), ("file", "/etc/passwd"), ("file", "../x"), ("file", "a//b"), ("file", ""), ("file", "a\\b"), ("file", "a/.."),
    ("sha256", "0" * 63), ("sha256", "x" * 64), ("size", 0), ("size", -1),
])  # fmt: skip
def test_a_package_follows_its_rules(key: str, value: object) -> None:
    with pytest.raises(BadEntry, match=f"package.{key}"):
        Package(**{**GOOD, key: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("digest", ["sha1:00", "md5:zz", "sha256:" + "0" * 65, "0" * 64])
def test_a_hash_of_the_authors_has_its_form(digest: str) -> None:
    with pytest.raises(BadEntry, match="upstream.hash"):
        Upstream("https://a.example/x.pth", digest, "clip")
