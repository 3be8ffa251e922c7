"""Texts to vectors that can be compared with those of the images, for checkpoints that have a text tower."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from omlzoo.checkpoints import manifest, safe_load
from omlzoo.checkpoints.fetch_text import fetch_text, fetch_tokenizer
from omlzoo.checkpoints.state_dict import check_finite, load_into
from omlzoo.errors import BadEntry, BadInput
from omlzoo.models._blank import Blank
from omlzoo.models._extractor import unit
from omlzoo.models._text_tower import TOWERS, TextTower, text_state
from omlzoo.zoo.registry import get_weights
from omlzoo.zoo.tokenizer import Tokens

__all__ = ["TextModel", "get_text_model"]

BATCH = 256  # texts at once


class TextModel:
    """Texts to unit vectors beside those of the images.

    Attributes:
        name: Of the checkpoint.
        tower: Numbers of tokens (B, length) to vectors (B, dim), a module; its vectors are not normalised.
        tokens: Texts to these numbers.
    """

    def __init__(self, name: str, tower: TextTower, tokens: Tokens) -> None:
        self.name, self.tower, self.tokens = name, tower.eval(), tokens

    @property
    def dim(self) -> int:
        """Length of the vectors, that of the images'."""
        return self.tower.dim

    def __call__(self, texts: str | Sequence[str]) -> Tensor:
        """Vectors (B, dim) of B texts, each of length 1; their product with images' unit vectors is the cosine.

        Raises:
            BadInput: There is no text, or one without words.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        if not given:
            raise BadInput("there is no text; give at least one")
        numbers = self.tokens(given)
        with torch.inference_mode():
            return torch.cat([unit(self.tower(part)) for part in torch.split(numbers, BATCH)])

    def __repr__(self) -> str:
        return f"TextModel({self.name}, dim={self.dim}, length={self.tower.length})"


def get_text_model(
    name: str | Path,
    weights: str | Path | None = None,
    *,
    tokenizer: str | Path | None = None,
    progress: bool = True,
) -> TextModel:
    """The text tower that was trained with a checkpoint: CLIP's (arXiv 2103.00020) and SigLIP's (2303.15343) have one.

    Args:
        name: As for :func:`omlzoo.get_model`.
        weights: A local file of both towers, such as the authors'; by default the checkpoint's own.
        tokenizer: A local ``tokenizer.json``; by default the checkpoint's own.
        progress: Draw bars of downloads where standard error is a terminal.

    Raises:
        UnknownName: There is no such checkpoint.
        BadInput: It has no text tower.
        WeightsUnavailable: The files cannot be had or are not the promised ones.
        WeightsMismatch: They do not fit the architecture.
        MissingExtra: Packages of the extra ``text`` are not installed.
    """
    entry = get_weights(name).entry
    if entry.text is None:
        known = [one for one in manifest.names() if manifest.find(one).text is not None]
        raise BadInput(f"{entry.name} has no text tower; those that have: {', '.join(known)}")
    text = entry.text
    for path in (weights, tokenizer):
        if path is not None and not Path(path).is_file():
            raise BadInput(f"{path}: there is no such file")
    file = fetch_text(entry, text, progress) if weights is None else Path(weights)
    if tokenizer is None:
        tokenizer = fetch_tokenizer(entry, text.tokenizer, progress)
    with Blank():
        try:
            tower = TOWERS[text.arch](**text.arch_args)
        except TypeError as error:
            raise BadEntry(
                f"{entry.name}: text: arch_args {text.arch_args} do not suit {text.arch}: {error}"
            ) from error
    state = text_state(safe_load.open_file(file, str(file)), str(file))
    check_finite(state, str(file))
    load_into(tower, tower.state_dict(), state, entry.name, text.arch)
    tokenizer, rules = Path(tokenizer), text.tokenizer
    tokens = Tokens(tokenizer, length=tower.length, clean=rules.clean, begin=rules.begin, end=rules.end, pad=rules.pad)
    if tokens.size > tower.vocabulary:
        raise BadInput(
            f"{tokenizer} has {tokens.size} tokens, {text.arch} knows {tower.vocabulary}; it is of another tower"
        )
    return TextModel(entry.name, tower, tokens)
