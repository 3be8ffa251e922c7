"""The kinds of facts that an entry holds: places of files, numbers, the text tower."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Metric", "Text", "Tokenizer", "Upstream"]


@dataclass(frozen=True)
class Upstream:
    """The file the authors published, for weights that are on no Hub repository.

    Attributes:
        url: Where it is.
        hash: "md5:<hex digits>" or "sha256:<hex digits>", whole or its beginning; null where none is published.
        layout: Name of its key layout, see :mod:`omlzoo.checkpoints.layouts`.
    """

    url: str
    hash: str | None
    layout: str


@dataclass(frozen=True)
class Metric:
    """One number of a checkpoint on one data set.

    Attributes:
        dataset: Such as "SOP".
        metric: Such as "cmc@1".
        value: A fraction in [0, 1].
        by: Who measured it.
        where: Page, file or command it comes from.
        variant: "upstream" or "oml": which of the entry's preprocessings was used; null where unknown.
    """

    dataset: str
    metric: str
    value: float
    by: str
    where: str
    variant: Literal["upstream", "oml"] | None


@dataclass(frozen=True)
class Tokenizer:
    """How texts become the numbers that a text tower reads.

    Attributes:
        repo: Hugging Face Hub repository, "organisation/name".
        revision: A commit of it, 40 hex digits; null is *unpinned*.
        file: A ``tokenizer.json`` in it.
        sha256: Of the file's content, 64 hex digits; null is *unpinned*.
        clean: What happens to a text first, see :func:`omlzoo.zoo.tokenizer.cleaned`.
        begin: Number of the token before each text; null where there is none.
        end: Of the token after it.
        pad: Of those that fill up the length.
    """

    repo: str
    revision: str | None
    file: str
    sha256: str | None
    clean: Literal["lower", "canonical"]
    begin: int | None
    end: int
    pad: int


@dataclass(frozen=True)
class Text:
    """The text tower that was trained together with an image tower: its vectors can be compared with the images'.

    Attributes:
        arch: A function of :mod:`omlzoo.models._text_tower`, called with ``arch_args``.
        params: How many parameters the tower has.
        repo: As of the entry; null where no repository with a safetensors file is known.
        revision: As of the entry.
        file: A safetensors file of both towers, or of the text tower alone, in open_clip's layout.
        sha256: As of the entry.
        size: As of the entry.
        tokenizer: How texts become numbers.
        source: Where these facts were read.
    """

    arch: Literal["clip_text", "siglip_text"]
    arch_args: dict[str, Any]
    params: int
    repo: str | None
    revision: str | None
    file: str | None
    sha256: str | None
    size: int | None
    tokenizer: Tokenizer
    source: str
