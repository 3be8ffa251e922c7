"""Texts are cleaned as the authors do, and become numbers with beginning, end and padding."""

import importlib.util
import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from omlzoo.errors import BadInput, OmlzooWarning, WeightsMismatch
from omlzoo.zoo.tokenizer import Tokens, cleaned

WORDS = {"<pad>": 0, "<end>": 1, "<begin>": 2, "<unknown>": 3, "red": 4, "shoe": 5, "with": 6, "sole": 7}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)  # what the file says of lengths does not count
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_begin_end_and_padding(file: Path) -> None:
    tokens = Tokens(file, length=6, clean="lower", begin=2, end=1, pad=0)
    assert tokens.size == 8
    assert tokens(["Red  shoe", "red"]).tolist() == [[2, 4, 5, 1, 0, 0], [2, 4, 1, 0, 0, 0]]
    siglip = Tokens(file, length=4, clean="canonical", begin=None, end=1, pad=1)
    assert siglip(["red_shoe!", "hat"]).tolist() == [[4, 5, 1, 1], [3, 1, 1, 1]]


def test_long_texts_are_cut_before_the_end_and_that_is_said(file: Path) -> None:
    tokens = Tokens(file, length=4, clean="lower", begin=2, end=1, pad=0)
    assert tokens(["red shoe"]).tolist() == [[2, 4, 5, 1]], "it just fits"
    with pytest.warns(OmlzooWarning, match="1 of 2 texts have more than 2 tokens and were cut"):
        assert tokens(["red", "red shoe with sole"]).tolist() == [[2, 4, 1, 0], [2, 4, 5, 1]]


@pytest.mark.parametrize("empty", ["", "  ", "&nbsp;"])
def test_a_text_without_words_is_refused(file: Path, empty: str) -> None:
    tokens = Tokens(file, length=4, clean="lower", begin=2, end=1, pad=0)
    with pytest.raises(BadInput, match=r"the text .* has no words; describe what to look for"):
        tokens(["red", empty])


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsMismatch, match=r"is no tokenizer.json"):
        Tokens(tmp_path / "tokenizer.json", length=4, clean="lower", begin=2, end=1, pad=0)


def test_cleaning() -> None:
    assert cleaned("  Tom &amp;amp; Jerry\n\tâ€œhiâ€\x9d ", "lower") == 'tom & jerry "hi"'
    assert cleaned("snake_case, it's 5.00 €!", "canonical") == "snake case its 500 €"


@given(st.text(), st.sampled_from(["lower", "canonical"]))
@settings(max_examples=200, deadline=None)
def test_cleaned_texts_have_single_spaces_and_no_capitals(text: str, how: str) -> None:
    found = cleaned(text, how)
    assert found == " ".join(found.split())
    assert found == found.lower()
    assert how == "lower" or not set(found) & set(string.punctuation)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("open_clip") is None, reason="open_clip is not installed")
def test_clips_numbers_equal_open_clips_own(tmp_path: Path) -> None:
    """Its vocabulary is in open_clip's wheel; transformers writes it as a tokenizer.json as it did for the Hub's."""
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizer

    theirs = SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(word, word): number for word, number in theirs.encoder.items()}
    CLIPTokenizer(vocab=vocabulary, merges=list(theirs.bpe_ranks)).save_pretrained(tmp_path)
    ours = Tokens(tmp_path / "tokenizer.json", length=77, clean="lower", begin=49406, end=49407, pad=0)
    draw = random.Random(0)
    letters = string.printable + "äöüßéèçñ€™ 日本語кириллица😀🎉½²ﬁ　\u200b'&;"
    texts = ["".join(draw.choice(letters) for _ in range(draw.randint(3, 60))) for _ in range(3000)]
    texts = ["red trainers with white sole", *(text for text in texts if cleaned(text, "lower"))]
    assert theirs(texts).equal(ours(texts))
