"""Vectors in their smaller forms come back within what each promises, and nulls stay nulls."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.embedding.quantization import pack, unpack
from omlzoo.errors import BadInput


@given(st.integers(0, 20), st.integers(1, 9), st.floats(1e-3, 1e3), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_each_form_is_as_near_as_it_says(rows: int, dim: int, size: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = (size * draw.normal(size=(rows, dim))).astype(np.float32)
    good = draw.random(rows) < 0.8
    for form, share in (("float32", 0), ("float16", 2**-11), ("int8", 1 / 254)):
        table = pack(pa.table({"path": [str(i) for i in range(rows)]}), vectors, good, form)  # type: ignore[arg-type]
        rest, found = unpack(table, dim)
        assert rest.column_names == ["path"]
        assert np.isnan(found[~good]).all()
        most = np.abs(vectors[good]).max(axis=1, keepdims=True, initial=0)
        assert (np.abs(found[good] - vectors[good]) <= share * most * 1.001 + 1e-7).all()


def test_what_a_form_cannot_hold_is_refused() -> None:
    rows = np.array([[1e5]], dtype=np.float32)
    with pytest.raises(BadInput, match="above 65,504"):
        pack(pa.table({"path": ["a"]}), rows, np.array([True]), "float16")
    with pytest.raises(BadInput, match="form is 'int4'; it must be one of float32, float16, int8"):
        pack(pa.table({"path": ["a"]}), rows, np.array([True]), "int4")  # type: ignore[arg-type]
