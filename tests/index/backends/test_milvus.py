"""Milvus: collections of others stay, and passwords are not shown."""

from pathlib import Path

import pytest
from drawn_rows import random_embeddings

import omlzoo
from omlzoo.errors import BadInput

pytest.importorskip("milvus_lite")


def test_a_collection_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(str(tmp_path / "m.db"))
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("picture", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("omlzoo", schema=schema)
    with pytest.raises(BadInput, match=r"has the columns \['id', 'picture'\] and is none of ours"):
        omlzoo.build_index(random_embeddings(9), backend="milvus", uri=str(tmp_path / "m.db"), overwrite=True)
    assert client.has_collection("omlzoo")


def test_a_password_in_an_address_or_token_is_not_shown() -> None:
    with pytest.raises(BadInput) as said:
        omlzoo.build_index(
            random_embeddings(9), backend="milvus", uri="ftp://me:hidden@127.0.0.1:1", token="a:concealed"
        )
    assert not any(secret in str(said.value) for secret in ("hidden", "concealed"))


@pytest.mark.parametrize("k", [30, 200])
def test_a_search_that_is_narrower_than_its_hits_finds_them(k: int, tmp_path: Path) -> None:
    rows = random_embeddings(250)
    settings = {"M": 8, "efConstruction": 64, "ef": 20}
    index = omlzoo.build_index(rows, backend="milvus", uri=str(tmp_path / "m.db"), kind="HNSW", settings=settings)
    found = index.search(rows.vectors[:3], k=k).ids
    assert (found >= 0).all()
