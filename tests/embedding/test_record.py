"""A record that no run writes is one line, and is not written either."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from toys import PREPROCESS

from omlzoo.embedding.record import Record
from omlzoo.errors import BadInput

PLAIN = json.loads(json.dumps(asdict(PREPROCESS)))
RECORD = Record("m", "0" * 64, 4, PLAIN, True, "fp32", "/x")


def test_it_comes_back_and_fields_of_later_versions_have_their_defaults() -> None:
    assert Record.from_json(RECORD.to_json()) == RECORD
    assert RECORD.preprocessing() == PREPROCESS
    old = json.loads(RECORD.to_json())
    for name in ("rows", "full_dim", "decoding"):
        del old[name]
    assert Record.from_json(json.dumps(old)) == RECORD


@pytest.mark.parametrize(
    "change",
    [{"dim": "512"}, {"dim": 0}, {"dim": -1}, {"dim": 10**12}, {"dim": True}, {"dim": 4.0}, {"dim": 10**30}, {"preprocess": "x"},
     {"preprocess": {}}, {"preprocess": {**PLAIN, "resize": [2_000_000, 2_000_000]}}, {"preprocess": {**PLAIN, "std": [0, 1, 1]}},
     {"preprocess": {**PLAIN, "crop": [0, 4]}}, {"preprocess": {**PLAIN, "mean": [0.1, 0.1, 0.1]}}, {"root": 5}, {"root": "a\0b"},
     {"normalized": "yes"}, {"model": None}, {"sha256": 1}, {"precision": "fp7"}, {"rows": 5}, {"full_dim": "x"}, {"full_dim": 2},
     {"decoding": "x"}, {"icc": "p3"}, {"decoder": 0}, {"decoder": "2"}, {"preprocess_hash": "0"}, {"preprocess_hash": None}, {"more": 1}],
)  # fmt: skip
def test_values_that_no_run_writes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"^[^\n]*the record of the embeddings[^\n]*$"):
        Record.from_json(json.dumps({**json.loads(RECORD.to_json()), **change}))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "5", "null", "{}", b"\xff", '{"dim": NaN}', '{"dim": 1, "dim": 2}']
)
def test_other_texts_are_refused(text: str | bytes) -> None:
    with pytest.raises(BadInput, match="the record of the embeddings"):
        Record.from_json(text)


def test_what_could_not_be_read_is_not_written() -> None:
    with pytest.raises(BadInput, match="not finite|NaN is no number"):
        replace(RECORD, preprocess={**PLAIN, "std": [float("nan")] * 3}).to_json()
    with pytest.raises(BadInput, match="dim is 0"):
        replace(RECORD, dim=0).to_json()


def test_a_record_without_a_decoder_is_of_the_first_and_the_difference_is_put_into_words() -> None:
    old = json.loads(RECORD.to_json())
    del old["decoder"], old["icc"], old["calibrated"]
    first = Record.from_json(json.dumps(old))
    assert first.decoder == 1
    assert RECORD.without_decoder() == json.dumps(old, sort_keys=True)
    line = first.decoding_differs(RECORD)
    assert line is not None
    assert "decoder 1 made these vectors and decoder 2 the others: pictures with grey of more than 8 bits" in line
    assert RECORD.decoding_differs(RECORD) is None
    assert "'srgb' in one and 'ignore' in the other" in str(RECORD.decoding_differs(replace(RECORD, icc="srgb")))
