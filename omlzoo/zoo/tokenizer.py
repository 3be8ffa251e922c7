"""Texts to the numbers that a text tower reads: cleaned, cut into tokens, with beginning, end and padding."""

import html
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from omlzoo.errors import BadInput, MissingExtra, WeightsMismatch, notice

__all__ = ["Clean", "Tokens", "cleaned"]

Clean = Literal["lower", "canonical"]
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def cleaned(text: str, how: Clean) -> str:
    """The text as the towers were trained on it: broken encodings and HTML mended, one space between words, lower case.

    Args:
        text: Anything.
        how: "lower", CLIP's way; "canonical", SigLIP's, is without ASCII punctuation too, and "_" is a space.
    """
    try:
        import ftfy
    except ImportError as error:
        raise MissingExtra("ftfy", "text") from error
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    if how == "canonical":
        text = text.replace("_", " ").translate(NO_PUNCTUATION)
    return " ".join(text.split()).lower()


class Tokens:
    """A tokenizer.

    Args:
        file: A ``tokenizer.json`` of the tokenizers package.
        length: Tokens of a text, beginning, end and padding among them; what is longer is cut, and that is said.
        clean: See :func:`cleaned`.
        begin: Number of the token before each text; None: there is none.
        end: Of the token after it.
        pad: Of those that fill up the length.

    Raises:
        MissingExtra: The package is not installed.
        WeightsMismatch: The file is no tokenizer.
    """

    def __init__(self, file: Path, *, length: int, clean: Clean, begin: int | None, end: int, pad: int) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtra("tokenizers", "text") from error
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the package raises Exception itself
            raise WeightsMismatch(f"{file} is no tokenizer.json ({error})") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.length, self.clean, self.begin, self.end, self.pad = length, clean, begin, end, pad

    @property
    def size(self) -> int:
        """Number of tokens that it knows."""
        return int(self._tokenizer.get_vocab_size())

    def has_words(self, text: str) -> bool:
        """Whether anything is left of the text once it is cleaned."""
        return bool(cleaned(text, self.clean))

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Numbers (B, length) int64 of B texts.

        Raises:
            BadInput: Nothing is left of a text once it is cleaned.
        """
        words = [cleaned(text, self.clean) for text in texts]
        for text, left in zip(texts, words, strict=True):
            if not left:
                raise BadInput(f"the text {text!r} has no words; describe what to look for")
        found = torch.full((len(words), self.length), self.pad, dtype=torch.int64)
        first = [] if self.begin is None else [self.begin]
        room = self.length - len(first) - 1
        cut = 0
        for row, encoding in enumerate(self._tokenizer.encode_batch(words, add_special_tokens=False)):
            cut += len(encoding.ids) > room
            numbers = [*first, *encoding.ids[:room], self.end]
            found[row, : len(numbers)] = torch.tensor(numbers)
        if cut:
            said = f"{cut} of {len(texts)} texts have more than {room} tokens and were cut"
            notice(said)
        return found
