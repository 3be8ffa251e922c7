"""The captions of rows: what has no words is none, and what the tower cannot tell apart is one caption."""

import json
from pathlib import Path

import numpy as np
import pytest
from text_entries import WORDS
from tokenizers import Tokenizer, models, pre_tokenizers

from omlzoo.zoo.captions import Captions
from omlzoo.zoo.tokenizer import Tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="</s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (tmp_path / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str())))
    return Tokens(tmp_path / "tokenizer.json", length=6, clean="canonical", begin=None, end=1, pad=1)


def test_captions_of_rows(tokens: Tokens) -> None:
    long = "red shoe with white sole red shoe"
    texts = ["red shoe", None, "Red  shoe!", "blue hat", "", " ...", float("nan"), long, f"{long} hat", "blue hat"]
    found = Captions.of(texts, tokens)
    assert found.codes.tolist() == [0, -1, 0, 1, -1, -1, -1, 2, 2, 1]
    assert found.token_ids.tolist() == [[2, 4, 1, 1, 1, 1], [3, 5, 1, 1, 1, 1], [2, 4, 6, 7, 8, 1]]
    assert (found.missing, found.cut, found.room) == (4, 2, 5)
    assert found.remarks() == [
        "4 of 10 rows have no text",
        "2 of 10 rows have a text of more than 5 tokens, which the text tower reads the first 5 of",
    ]


def test_rows_without_any(tokens: Tokens) -> None:
    found = Captions.of(["", None], tokens)
    np.testing.assert_array_equal(found.codes, [-1, -1])
    assert found.token_ids.shape == (0, 6)
    assert found.remarks() == ["2 of 2 rows have no text"]
    assert Captions.of(["red"], tokens).remarks() == []
