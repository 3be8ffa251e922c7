"""A user's columns come back as they were, whatever their names; what is not as we write it is refused or said."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from omlzoo.embedding.columns import (
    NOT_FINITE,
    check_names,
    check_writable,
    error_column,
    from_arrow,
    is_text,
    to_arrow,
)
from omlzoo.errors import BadInput, OmlzooWarning

VECTORS = np.array([[1, 0, 0], [0, 0.6, 0.8], [0.8, 0, -0.6]], dtype=np.float32)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"path": ["a", "b", "c"], "error": ["", "", ""], **columns})


@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_columns_of_any_other_name_come_back_and_change_no_vector(form: Any) -> None:
    names = (
        "vector_scale",
        "file_size",
        "file_changed_ns",
        "omlzoo",
        "shard",
        "row",
        "index",
        "__index_level_0__",
        "a.b",
        "",
    )
    given = frame(**{name: [-1.0, 0.5, 2.0] for name in names}, text=["x", "y", "z"], tags=[[1], [], [2, 3]])
    found, vectors = from_arrow(to_arrow(given, VECTORS, form), 3, True, "f")
    pd.testing.assert_frame_equal(found.drop(columns="tags"), given.drop(columns="tags"))
    assert np.allclose(vectors, VECTORS, atol=0.005)
    assert np.array_equal(vectors, VECTORS) or form != "float32"


@pytest.mark.parametrize("name", ["omlzoo:vector_scale", "omlzoo:file_size", "omlzoo:", "vector"])
def test_names_that_are_kept_for_ours_are_refused(name: str) -> None:
    with pytest.raises(
        BadInput, match=rf"t.csv: the column '{name}' has a name that omlzoo keeps for itself; rename it"
    ):
        check_names(pd.DataFrame({"path": ["a"], name: [1]}), "t.csv")
    with pytest.raises(BadInput, match="keeps for itself"):
        to_arrow(frame(**{name: [1, 2, 3]}), VECTORS, "float32")


@pytest.mark.parametrize(
    "values", [[1, {"x": 2}, 3], pd.Series(["\udcff", "a", "b"], dtype=object), [1j, 2j, 3j], [2**70, 1, 2]]
)
def test_a_column_that_parquet_does_not_take_is_one_line(values: Any) -> None:
    with pytest.raises(
        BadInput, match=r"^t.csv: a column cannot be written as Parquet: [^\n]*; make its values alike$"
    ):
        check_writable(frame(mixed=values), "t.csv")


def test_the_scale_of_earlier_versions_is_found_and_a_users_column_of_that_name_is_not_taken_for_it() -> None:
    now = to_arrow(frame(), VECTORS, "int8")
    before = now.rename_columns(
        ["vector_scale" if name == "omlzoo:vector_scale" else name for name in now.column_names]
    )
    found, vectors = from_arrow(before, 3, True, "f")
    assert list(found) == ["path", "error"]
    assert np.allclose(vectors, VECTORS, atol=0.005)
    plain = to_arrow(frame(vector_scale=[5.0, 6.0, 7.0]), VECTORS, "float32")
    found, vectors = from_arrow(plain, 3, True, "f")
    assert found["vector_scale"].tolist() == [5, 6, 7]
    assert np.array_equal(vectors, VECTORS)


def lists(rows: list[Any], kind: pa.DataType = None, size: int | None = 3) -> pa.Array:
    kind = kind or pa.float32()
    return pa.array(rows, pa.list_(kind) if size is None else pa.list_(kind, size))


WRONG: list[tuple[str, Any, str]] = [
    ("path", None, "there is no column path"),
    ("error", None, "there is no column error"),
    ("vector", None, "vector among them"),
    ("path", pa.array([1, 2, 3]), "the column path is of type int64"),
    ("path", pa.array(["a", None, "b"]), "1 missing; it must be text"),
    ("error", pa.array([None, "", ""]), "the column error is of type string, 1 missing"),
    ("vector", pa.array(["a", "b", "c"]), "the column vector is of type string"),
    ("vector", lists([[1.0, 0, 0], [1.0, 0], [1.0, 0, 0, 0]], size=None), "a vector has not 3 numbers"),
    ("vector", lists([[1.0, 0], [1.0, 0], [1.0, 0]], size=2), "a vector has not 3 numbers"),
    ("vector", lists([[1.0, None, 0]] * 3), "a number of a vector is missing"),
    ("vector", lists([[1, 0, 0]] * 3, pa.int8()), "vectors as int8 need a column of their scales"),
    ("vector", lists([[1, 0, 0]] * 3, pa.int32()), "it must be lists of float32, float16 or int8"),
]


@pytest.mark.parametrize(("name", "column", "said"), WRONG)
def test_a_column_that_is_not_as_we_write_it_is_refused(name: str, column: Any, said: str) -> None:
    table = to_arrow(frame(), VECTORS, "float32")
    at = table.column_names.index(name)
    table = table.drop_columns([name]) if column is None else table.set_column(at, name, column)
    with pytest.raises(BadInput, match=said):
        from_arrow(table, 3, True, "f")


@pytest.mark.parametrize("scale", [[-1.0, 1, 1], [np.nan, 1, 1], [None, 1, 1], ["a", "b", "c"]])
def test_scales_that_are_none_are_refused(scale: list[Any]) -> None:
    table = to_arrow(frame(), VECTORS, "int8")
    table = table.set_column(table.column_names.index("omlzoo:vector_scale"), "omlzoo:vector_scale", pa.array(scale))
    with pytest.raises(BadInput, match="scale"):
        from_arrow(table, 3, True, "f")


def test_a_table_that_describes_other_columns_is_refused() -> None:
    table = to_arrow(frame(), VECTORS, "float32")
    metadata = table.schema.metadata[b"pandas"].replace(b'"index_columns": []', b'"index_columns": ["path"]')
    with pytest.raises(BadInput, match="its description of the table is damaged"):
        from_arrow(table.replace_schema_metadata({b"pandas": metadata}), 3, True, "f")


@pytest.mark.parametrize("row", [None, [np.nan, 0, 0], [np.inf, 0, 0]])
def test_rows_without_finite_numbers_get_an_error_and_it_is_said(row: Any) -> None:
    table = to_arrow(frame(), VECTORS, "float32")
    table = table.set_column(table.column_names.index("vector"), "vector", lists([row, [0, 0.6, 0.8], [1, 0, 0]]))
    with pytest.warns(OmlzooWarning, match="f: 1 rows have no error and no finite vector; they have an error now"):
        found, vectors = from_arrow(table, 3, True, "f")
    assert found["error"].tolist() == [NOT_FINITE, "", ""]
    assert np.isnan(vectors[0]).all()
    with pytest.raises(BadInput, match="row 0 has a vector that is not finite, and no error"):
        to_arrow(frame(), vectors, "float32")


def test_a_row_with_an_error_has_no_vector() -> None:
    table = to_arrow(frame(), VECTORS, "float32")
    table = table.set_column(table.column_names.index("error"), "error", pa.array(["", "broken", ""]))
    _, vectors = from_arrow(table, 3, True, "f")
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]


def test_other_lengths_than_the_record_says_are_scaled_and_said() -> None:
    table = to_arrow(frame(), VECTORS * np.float32([[7], [1], [1e30]]), "float32")
    with pytest.warns(
        OmlzooWarning, match="f: 2 vectors have other L2 norms than 1, the first 7, though their record says"
    ):
        _, vectors = from_arrow(table, 3, True, "f")
    assert np.allclose(vectors, VECTORS)
    _, vectors = from_arrow(to_arrow(frame(), VECTORS * 7, "float32"), 3, False, "f")
    assert np.array_equal(vectors, VECTORS * 7)
    _, vectors = from_arrow(to_arrow(frame(), VECTORS * 0, "float32"), 3, True, "f")
    assert not vectors.any()


def test_rounding_of_a_smaller_form_is_not_said() -> None:
    draw = np.random.default_rng(0).normal(size=(3, 512)).astype(np.float32)
    draw /= np.linalg.norm(draw, axis=1, keepdims=True)
    for form in ("float16", "int8"):
        _, vectors = from_arrow(to_arrow(frame(), draw, form), 512, True, "f")  # type: ignore[arg-type]
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_large_finite_numbers_are_finite(tmp_path: Path) -> None:
    large = np.full((3, 3), 3e38, dtype=np.float32)
    _, vectors = from_arrow(to_arrow(frame(), large, "float32"), 3, False, "f")
    assert np.array_equal(vectors, large)
    assert is_text(pa.large_string())


def test_errors_that_name_a_file_that_is_not_utf_8_can_be_written() -> None:
    found = error_column(["", "/x/\udcff.png: gone"], pd.RangeIndex(2))
    assert found.tolist() == ["", "/x/\\udcff.png: gone"]
