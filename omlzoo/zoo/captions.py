"""Captions: the texts of a table's rows as the token ids that a text tower reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from torch import Tensor

from omlzoo.zoo.tokenizer import Tokens

__all__ = ["TEXT", "Captions"]

TEXT = "text"  # the column
NONE = -1


@dataclass(frozen=True)
class Captions:
    """The captions of N rows. Two of which the tower reads the same tokens are one caption.

    Attributes:
        token_ids: (M, length) int64, of the different captions in the order of their first rows.
        codes: (N,) the caption of each row; -1 where it has none, or one without words.
        cut: How many rows have a caption that is longer than the tower reads.
        room: How many tokens of a caption the tower reads.
    """

    token_ids: Tensor
    codes: np.ndarray
    cut: int
    room: int

    @classmethod
    def of(cls, texts: Sequence[Any], tokens: Tokens) -> Self:
        """The captions of rows.

        Args:
            texts: (N,) the column; None, NaN, "" and what has no words is no caption.
            tokens: The tokenizer of the text tower.
        """
        written = ["" if text is None or text != text else str(text) for text in texts]
        different = {text: tokens.has_words(text) for text in dict.fromkeys(written)}
        worded = [text for text, has_words in different.items() if has_words]
        ids, long = tokens.encode(worded)
        known: dict[bytes, int] = {}
        code_of: dict[str, int] = {}
        kept = []
        for place, text in enumerate(worded):
            read = ids[place].numpy().tobytes()
            if read not in known:
                known[read] = len(known)
                kept.append(place)
            code_of[text] = known[read]
        cut = {worded[place] for place in long}
        codes = np.array([code_of.get(text, NONE) for text in written], dtype=np.int64)
        return cls(ids[kept], codes, sum(text in cut for text in written), tokens.room)

    @property
    def missing(self) -> int:
        """How many rows have none."""
        return int((self.codes == NONE).sum())

    def remarks(self) -> list[str]:
        """What a user should be told of them."""
        said = [f"{self.missing} of {len(self.codes)} rows have no text"] * bool(self.missing)
        long = (
            f"{self.cut} of {len(self.codes)} rows have a text of more than {self.room} tokens, which the text tower "
        )
        return said + [f"{long}reads the first {self.room} of"] * bool(self.cut)
