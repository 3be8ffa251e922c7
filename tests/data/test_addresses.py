"""Addresses are text until somebody names them; what could lead elsewhere is refused."""

import re
from pathlib import Path

import pandas as pd
import pytest

from omlzoo.data import table as tables
from omlzoo.data.addresses import Address, as_named, is_address, is_followed, late_picture, parse_address
from omlzoo.data.images import to_rgb
from omlzoo.errors import BadImage, BadInput, BadTable


@pytest.mark.parametrize(("text", "found"), [
    ("https://Shop.Example/a/b.jpg?x=1#y", Address("https", "shop.example", "a/b.jpg?x=1")),
    ("https://shop.example:443/a", Address("https", "shop.example", "a")),
    ("https://shop.example:8443/a", Address("https", "shop.example:8443", "a")),
    ("https://[::1]:8443/a", Address("https", "[::1]:8443", "a")),
    ("S3://shop-photos/a b.jpg".replace(" ", "_"), Address("s3", "shop-photos", "a_b.jpg")),
    ("gs://bucket", Address("gs", "bucket", "")),
])  # fmt: skip
def test_the_parts_of_an_address(text: str, found: Address) -> None:
    assert parse_address(text) == found
    assert is_address(text)


@pytest.mark.parametrize(("text", "said"), [
    ("http://a.example/x.jpg", "the scheme http are not followed"), ("file:///etc/passwd", "the scheme file"),
    ("ftp://a/x", "the scheme ftp"), ("memory://x", "the scheme memory"), ("github://a:b@/x", "the scheme github"),
    ("zip://x.jpg::https://a/x.zip", "chained"), ("https://a.example/x::y", "chained"), ("simplecache::s3://a/x", "chained"),
    ("https://user:secret@a.example/x", "a name or password"), ("https:///x", "has no host"), ("s3:///x", "has no bucket"),
    ("https://a.example/a b", "a space"), ("https://a.example\\@b.example/x", "a backslash"), ("https://a\n.example/", "control"),
    ("https://a.example:99999/x", "has no host"), ("https://?x", "has no host"),
])  # fmt: skip
def test_what_is_not_followed(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        parse_address(text)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not is_followed(text, ["https://a.example", "s3://a"])


def test_names() -> None:
    assert as_named("s3://shop-photos") == ("s3://shop-photos",)
    assert as_named(["https://A.example/", "gs://b"]) == ("https://a.example", "gs://b")
    assert as_named(None) == ()
    for wrong in ("shop-photos", "https://a.example/photos", "http://a.example", "s3://*/x"):
        with pytest.raises(BadInput):
            as_named(wrong)
    named = as_named("https://a.example")
    assert is_followed("https://a.example/x", named)
    for other in (
        "https://a.example.evil.example/x",
        "https://b.example/x",
        "s3://a.example/x",
        "https://a.example:8443/x",
    ):
        assert not is_followed(other, named)
    assert [is_address(x) for x in ("a/b.jpg", "c:\\x", "https:/a", Path("https://a"), 5)] == [False] * 5


def test_the_name_of_a_copy_is_a_plain_one() -> None:
    assert parse_address("https://a.example/x/%2e%2e/..?a=/b.jpg").name == "file"
    assert parse_address("https://a.example/x/ä$y.jpg?size=2").name == "ä_y.jpg"
    assert parse_address("s3://a/x?y.jpg").name == "x_y.jpg"
    assert len(parse_address(f"s3://a/{'x' * 300}.jpg").name) == 100


def test_an_address_in_a_table_is_a_fault_unless_it_is_named() -> None:
    frame = pd.DataFrame({"path": ["s3://shop/a.jpg", "https://cdn.example/b.jpg"]})
    with pytest.raises(BadTable, match=re.escape("remote= (--remote) names")) as caught:
        tables.read(frame, "embed", remote="s3://shop")
    assert len(caught.value.faults) == 1
    assert "cdn.example" in str(caught.value)
    table = tables.read(frame, "embed", remote=["s3://shop", "https://cdn.example"])
    assert list(map(str, table.pictures())) == frame["path"].tolist()
    assert [str(picture) for picture in table.part([1]).pictures()] == ["https://cdn.example/b.jpg"]
    assert len(tables.find_faults(frame.assign(label=1, split="train"))) == 2


def test_one_that_is_not_named_is_not_asked_for() -> None:
    with pytest.raises(BadImage, match=re.escape("give remote='https://192.0.2.1' (--remote https://192.0.2.1)")):
        to_rgb(late_picture("https://192.0.2.1/a.jpg", ["https://192.0.2.2"]))
