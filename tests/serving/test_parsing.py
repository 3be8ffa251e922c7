"""Fields of a request: what they mean, and one clear line for what means nothing."""

import pytest
from fastapi import HTTPException

from omlzoo.serving.parsing import parse_box, parse_threshold, parse_where


def test_fields_are_read_as_they_are_meant() -> None:
    assert parse_box("1,2.4,30,40") == (1, 2, 30, 40)
    assert parse_box("") is parse_box(None) is None
    assert parse_where('{"category": "boot", "size": [1, 2]}') == {"category": "boot", "size": (1, 2)}
    assert parse_where("{}") is parse_where(None) is None
    assert (parse_threshold("0.5"), parse_threshold("far=1e-3"), parse_threshold("")) == (0.5, "far=1e-3", None)
    assert [parse_threshold(text) for text in ("nan", "-inf", "1e999")] == ["nan", "-inf", "1e999"], (
        "names of no cut-point"
    )


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1,2,3,inf", "nan,0,1,1"])
def test_a_wrong_box_is_refused(text: str) -> None:
    with pytest.raises(HTTPException) as refusal:
        parse_box(text)
    assert refusal.value.status_code == 422
    assert "it must be left,top,right,bottom in pixels" in refusal.value.detail


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", '"x"', '{"a": "\\ud800"}', "[" * 100_000, "[" * 10_000, '{"a": NaN}', '{"a": 1e999}',
     '{"a": ' + "9" * 5000 + "}", '{"a": 1, "a": 2}', '{"a":' * 3000 + "1" + "}" * 3000, '{"a": "' + "x" * 20_000 + '"}'],
)  # fmt: skip
def test_a_wrong_filter_is_refused(text: str) -> None:
    with pytest.raises(HTTPException) as refusal:
        parse_where(text)
    assert refusal.value.status_code == 422
    assert "it must be a JSON object" in refusal.value.detail
    assert len(refusal.value.detail) < 200
