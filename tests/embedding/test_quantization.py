"""Vectors in their smaller forms come back within what each promises, and nulls stay nulls."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.embedding.quantization import pack, unpack
from omlzoo.errors import BadInput


def unpacked(table: pa.Table, dim: int) -> np.ndarray:
    vectors = np.full((len(table), dim), 5, dtype=np.float32)
    unpack(table, vectors)
    return vectors


@given(st.integers(0, 20), st.integers(1, 9), st.floats(1e-3, 1e3), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_each_form_is_as_near_as_it_says(rows: int, dim: int, size: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = (size * draw.choice([-1, 1], (rows, dim)) * draw.uniform(0.1, 1, (rows, dim))).astype(np.float32)
    good = draw.random(rows) < 0.8
    for form, share in (("float32", 0), ("float16", 2**-11), ("int8", 1 / 254)):
        table = pack(pa.table({"path": [str(i) for i in range(rows)]}), vectors, good, form)  # type: ignore[arg-type]
        found = unpacked(table, dim)
        assert np.isnan(found[~good]).all()
        most = np.abs(vectors[good]).max(axis=1, keepdims=True, initial=0)
        assert (np.abs(found[good] - vectors[good]) <= share * most * 1.001 + 1e-7).all()


@given(st.integers(1, 9), st.integers(1, 600), st.floats(-46, 4), st.booleans(), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_no_size_is_rounded_in_silence(rows: int, dim: int, size: float, spread: bool, seed: int) -> None:
    draw = np.random.default_rng(seed)
    exact = 10.0**size * draw.normal(size=(rows, dim)) * (10.0 ** draw.uniform(-6, 0, (rows, dim)) if spread else 1)
    vectors = exact.astype(np.float32)
    table = pa.table({"path": ["a"] * rows})
    few = {"float16": 1e-4 * dim**0.5, "int8": 1.6e-36}
    for form, share in (("float16", 1e-3), ("int8", dim**0.5 / 250)):
        try:
            found = unpacked(pack(table, vectors, np.ones(rows, bool), form), dim)  # type: ignore[arg-type]
        except BadInput as error:
            message = str(error)
        else:
            lost, length = (np.linalg.norm(each.astype(float), axis=1) for each in (found - vectors, vectors))
            assert (lost <= share * length).all()
            continue
        assert "above 65,504" in message or (np.abs(vectors).max(axis=1) < few[form]).any()


def test_what_a_form_cannot_hold_is_refused() -> None:
    rows = np.array([[1e5]], dtype=np.float32)
    with pytest.raises(BadInput, match="above 65,504"):
        pack(pa.table({"path": ["a"]}), rows, np.array([True]), "float16")
    # the numbers of float16 below 6e-5 are multiples of 2^-24: 17 of them are 1.3 % more than 1e-6
    for small, message in ((1e-6, "1 rows are too small for float16: row 0 of the L2 norm 1e-06 would change by 1.3% of it"),
                           (1e-9, "row 0 of the L2 norm 1e-09 would change by 100.0% of it, the most is 0.1%")):  # fmt: skip
        with pytest.raises(BadInput, match=message):
            pack(pa.table({"path": ["a"]}), np.array([[small]], np.float32), np.array([True]), "float16")
    with pytest.raises(BadInput, match="row 0: its largest number is 9.81e-45; int8 needs 1.5e-36 or more"):
        pack(pa.table({"path": ["a"]}), np.array([[1e-44]], np.float32), np.array([True]), "int8")
    pack(pa.table({"path": ["a", "b"]}), np.array([[0.0], [1e-9]], np.float32), np.array([True, False]), "float16")
    with pytest.raises(BadInput, match="form is 'int4'; it must be one of float32, float16, int8"):
        pack(pa.table({"path": ["a"]}), rows, np.array([True]), "int4")  # type: ignore[arg-type]
