"""Tokenizers: from texts to the token ids that a text tower reads, with begin and end tokens and padding."""

import html
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.errors import BadInput, WeightsMismatch, notice

__all__ = ["Clean", "Tokens", "cleaned"]

Clean = Literal["lower", "canonical"]
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def cleaned(text: str, how: Clean) -> str:
    """Clean a text in the way in which it was done for the training of the text tower.

    Broken encodings and HTML entities are repaired, white space is reduced to one space between words, and letters are
    turned to lower case.

    Args:
        text: The text to clean.
        how: "lower", as CLIP does, makes no further changes. "canonical", as SigLIP does, also replaces "_" by a space
            and removes ASCII punctuation.

    Raises:
        MissingExtra: ftfy is not installed.
    """
    ftfy = catalog.optional("ftfy", "text")
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    if how == "canonical":
        text = text.replace("_", " ").translate(NO_PUNCTUATION)
    return " ".join(text.split()).lower()


class Tokens:
    """A tokenizer, which maps texts to token ids.

    Args:
        file: A ``tokenizer.json`` of the tokenizers package.
        length: Number of token ids of a text, including begin and end tokens and padding. Longer texts are cut, with a
            warning.
        clean: How texts are cleaned first, "lower" or "canonical", see :func:`cleaned`.
        begin: Id of the token that is put before each text; None puts none.
        end: Id of the token that is put after each text.
        pad: Id of the token that short texts are padded with.

    Attributes:
        file: The file.

    Raises:
        MissingExtra: The tokenizers package is not installed.
        WeightsMismatch: The file is not a tokenizer.
    """

    def __init__(self, file: Path, *, length: int, clean: Clean, begin: int | None, end: int, pad: int) -> None:
        tokenizers = catalog.optional("tokenizers", "text")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the package raises Exception itself
            raise WeightsMismatch(f"{file} is no tokenizer.json ({error})") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.file = file
        self.length, self.clean, self.begin, self.end, self.pad = length, clean, begin, end, pad

    @property
    def size(self) -> int:
        """Number of different tokens of the vocabulary."""
        return int(self._tokenizer.get_vocab_size())

    def has_words(self, text: str) -> bool:
        """Whether the text is not empty after it is cleaned."""
        return bool(cleaned(text, self.clean))

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Token ids (B, length) int64 of B texts; it is said how many were cut.

        Raises:
            BadInput: A text is empty after it is cleaned.
        """
        token_ids, cut = self.encode(texts)
        if cut:
            notice(f"{len(cut)} of {len(texts)} texts have more than {self.room} tokens and were cut")
        return token_ids

    @property
    def room(self) -> int:
        """How many tokens of a text are read, without those that are put before and after it."""
        return self.length - (self.begin is not None) - 1

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, list[int]]:
        """Token ids (B, length) int64 of B texts, and the numbers of those that were cut.

        Raises:
            BadInput: A text is empty after it is cleaned.
        """
        words = [cleaned(text, self.clean) for text in texts]
        for text, left in zip(texts, words, strict=True):
            if not left:
                raise BadInput(f"the text {text!r} has no words; describe what to look for")
        token_ids = torch.full((len(words), self.length), self.pad, dtype=torch.int64)
        first = [] if self.begin is None else [self.begin]
        room = self.room
        cut: list[int] = []
        for row, encoding in enumerate(self._tokenizer.encode_batch(words, add_special_tokens=False)):
            cut += [row] * (len(encoding.ids) > room)
            ids = [*first, *encoding.ids[:room], self.end]
            token_ids[row, : len(ids)] = torch.tensor(ids)
        return token_ids, cut
