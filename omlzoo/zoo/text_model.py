"""Embedding of texts, for checkpoints with a text tower. The vectors can be compared with those of images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from omlzoo.checkpoints import manifest, safe_load
from omlzoo.checkpoints.fetch_text import fetch_text, fetch_tokenizer
from omlzoo.checkpoints.state_dict import check_finite, load_into
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadInput
from omlzoo.models._extractor import unit
from omlzoo.models._text_tower import TOWERS, TextTower, text_state
from omlzoo.zoo.building import with_arguments
from omlzoo.zoo.registry import get_weights
from omlzoo.zoo.tokenizer import Tokens

__all__ = ["LEARNED", "TextModel", "get_text_model", "open_text_model"]

BATCH = 256  # texts that are embedded at once
LEARNED = ("logit_scale", "logit_bias")  # numbers of the loss that a file has beside its towers


class TextModel:
    """A model that maps texts to unit vectors, which can be compared with those of images.

    Attributes:
        name: Name of the checkpoint.
        tower: The module that maps token ids (B, length) to vectors (B, dim), which are not normalised.
        tokens: The tokenizer that maps texts to token ids.
        learned: Numbers of the loss that the towers were trained with, as far as the file has them: "logit_scale", the
            logarithm of the inverse temperature, and "logit_bias".
    """

    def __init__(self, name: str, tower: TextTower, tokens: Tokens, learned: Mapping[str, float] | None = None) -> None:
        self.name, self.tower, self.tokens, self.learned = name, tower.eval(), tokens, dict(learned or {})

    @property
    def dim(self) -> int:
        """Dimension of the vectors, the same as that of the images' embeddings."""
        return self.tower.dim

    def __call__(self, texts: str | Sequence[str]) -> Tensor:
        """Embed texts.

        Args:
            texts: One text, or a sequence of B texts.

        Returns:
            Vectors (B, dim) with an L2 norm of 1. Their inner product with the unit vector of an image is the cosine.

        Raises:
            BadInput: There is no text, or one without words.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not texts:
            raise BadInput("there is no text; give at least one")
        return self.embed(self.tokens(texts))

    def embed(self, token_ids: Tensor) -> Tensor:
        """Vectors (B, dim) with an L2 norm of 1, on the tower's device, of token ids (B, length)."""
        device = self.tower.positional_embedding.device
        with torch.inference_mode():
            return torch.cat([unit(self.tower(part.to(device))) for part in torch.split(token_ids, BATCH)])

    def __repr__(self) -> str:
        return f"TextModel({self.name}, dim={self.dim}, length={self.tower.length})"


def get_text_model(
    name: str | Path,
    weights: str | Path | None = None,
    *,
    tokenizer: str | Path | None = None,
    progress: bool = True,
) -> TextModel:
    """Build the text tower that was trained together with a checkpoint.

    CLIP (arXiv 2103.00020) and SigLIP (arXiv 2303.15343) have one.

    Args:
        name: A checkpoint of the zoo, a folder that convert or save wrote, or "hf-hub:org/repo".
        weights: A local file with both towers, such as the authors', or with the text tower alone; None uses the file
            of the checkpoint's entry.
        tokenizer: A local ``tokenizer.json``; None uses the file of the checkpoint's entry.
        progress: Whether to show progress bars during downloads, if standard error is a terminal.

    Raises:
        UnknownName: There is no such checkpoint.
        BadInput: The checkpoint has no text tower, a local file does not exist, or the tokenizer is of another tower.
        BadEntry: The entry's arguments do not suit the architecture.
        WeightsUnavailable: The files cannot be fetched, or their content has another sha256 than the entry states.
        WeightsMismatch: The weights do not fit the architecture, or hold NaN or infinity.
        MissingExtra: Packages of the extra ``text`` are not installed.
    """
    return open_text_model(get_weights(name), weights, tokenizer=tokenizer, progress=progress)


def open_text_model(
    facts: Weights,
    weights: str | Path | None = None,
    *,
    tokenizer: str | Path | None = None,
    progress: bool = True,
) -> TextModel:
    """As :func:`get_text_model`, of a checkpoint whose facts are at hand.

    Args:
        facts: The facts of the checkpoint.
        weights: A local file with the text tower; None uses the file of the entry.
        tokenizer: A local ``tokenizer.json``; None uses the file of the entry.
        progress: Whether to show progress bars during downloads, if standard error is a terminal.

    Raises:
        BadInput: As there, and the other errors.
    """
    entry = facts.entry
    if entry.text is None:
        known = [one for one in manifest.names() if manifest.find(one).text is not None]
        raise BadInput(f"{entry.name} has no text tower; those that have: {', '.join(known)}")
    text = entry.text
    for path in (weights, tokenizer):
        if path is not None and not Path(path).is_file():
            raise BadInput(f"{path}: there is no such file")
    file = fetch_text(entry, text, progress, facts.folder) if weights is None else Path(weights)
    if tokenizer is None:
        tokenizer = fetch_tokenizer(entry, text.tokenizer, progress, facts.folder)
    where = f"{entry.name}: text: arch_args of {text.arch}"
    tower = with_arguments(TOWERS[text.arch], text.arch_args, text.params, where, blank=True)
    raw = safe_load.open_file(file, str(file))
    state = text_state({key: value for key, value in raw.items() if isinstance(value, Tensor)}, str(file))
    check_finite(state, str(file))
    load_into(tower, tower.state_dict(), state, entry.name, text.arch)
    tokenizer, rules = Path(tokenizer), text.tokenizer
    tokens = Tokens(tokenizer, length=tower.length, clean=rules.clean, begin=rules.begin, end=rules.end, pad=rules.pad)
    if tokens.size > tower.vocabulary:
        raise BadInput(
            f"{tokenizer} has {tokens.size} tokens, {text.arch} knows {tower.vocabulary}; it is of another tower"
        )
    learned = {name: float(raw[name].reshape(-1)[0]) for name in LEARNED if name in raw}
    return TextModel(entry.name, tower, tokens, learned)
