"""An entry: all facts of one checkpoint, and its strict JSON form.

Every key is required and no other is allowed; what is not known is ``null``. The same schema serves the files of
``weights_manifest/`` and the ``entry.json`` of a run folder.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadEntry
from omlzoo.jsonio import build

__all__ = ["HUB", "Entry", "Metric", "Text", "Tokenizer", "Upstream", "dump_entry", "read_entry", "without_address"]

HUB = "hf-hub:"  # before the name of a repository, where a name of the zoo or a folder may stand too

HASHES = {"md5": 32, "sha256": 64}  # hex digits of a whole digest


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


@dataclass(frozen=True)
class Entry:
    """All facts of one checkpoint.

    Attributes:
        name: Also the file's name.
        family: Who made the weights, in one word, for filtering.
        arch: A function of :mod:`omlzoo.models`, called with ``arch_args``.
        dim: Length of the embedding.
        params: How many parameters the extractor has.
        repo: Hugging Face Hub repository, "organisation/name".
        revision: A commit of it, 40 hex digits; null is *unpinned*.
        file: Name of the safetensors file in the repository, or in ``weights_manifest/bundled``.
        sha256: Of the file's content, 64 hex digits; null is *unpinned*.
        size: Of the file, in bytes.
        mirrors: URLs of the same file, tried in order where the repository cannot serve; they need a sha256.
        layout: Key layout of the file where it is not ours, see :mod:`omlzoo.checkpoints.layouts`.
        upstream: The authors' file, for weights that are on no Hub repository.
        preprocess: The evaluation transform of whoever trained these weights.
        preprocess_oml: What Open Metric Learning used for this name, where it differs.
        normalize: Whether the embedding is divided by its L2 norm.
        metrics: Published and measured numbers.
        license: SPDX name in lower case, or null.
        commercial: Whether the licence allows commercial use; null where nobody said.
        gated: Whether the repository asks for a login.
        citation: Paper, with its arXiv number.
        source: Where these facts were read.
        fingerprint: The embedding of the generated picture of :mod:`omlzoo.zoo.fingerprint`, its first values.
        notes: Anything a user should know.
        calibration: What its distances mean, once ``omlzoo calibrate`` found it.
        text: The text tower that was trained with it, if any.
    """

    name: str
    family: str
    arch: str
    arch_args: dict[str, Any]
    dim: int
    params: int
    repo: str | None
    revision: str | None
    file: str | None
    sha256: str | None
    size: int | None
    mirrors: tuple[str, ...]
    layout: str | None
    upstream: Upstream | None
    preprocess: Preprocess
    preprocess_oml: Preprocess | None
    normalize: bool
    metrics: tuple[Metric, ...]
    license: str | None
    commercial: bool | None
    gated: bool
    citation: str | None
    source: str
    fingerprint: tuple[float, ...] | None
    notes: str | None
    calibration: Calibration | None
    text: Text | None = None


def read_entry(path: Path, name: str | None = None) -> Entry:
    """Parse and check one file.

    Args:
        path: A JSON file.
        name: The name it has to bear, if it matters.

    Raises:
        BadEntry: It cannot be read, a key is missing or unknown, or a value breaks its rule; the file is named.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadEntry(f"{path}: not a readable JSON file ({error})") from error
    entry = build(Entry, raw, str(path))
    _check(entry, str(path))
    if name is not None and entry.name != name:
        raise BadEntry(f"{path}: name is {entry.name!r}; it must be the file's, {name!r}")
    return entry


def without_address(entry: Entry, **changes: Any) -> Entry:
    """The facts of other weights of the same architecture: no address, no metrics, no fingerprint, no notes."""
    bare = replace(
        entry, repo=None, revision=None, file=None, sha256=None, size=None, mirrors=(), layout=None, upstream=None,
        gated=False, metrics=(), fingerprint=None, notes=None, calibration=None, text=None,
    )  # fmt: skip
    return replace(bare, **changes)


def dump_entry(entry: Entry) -> str:
    """The entry as the text of its JSON file, lists of numbers on one line."""
    text = json.dumps(asdict(entry), indent=2, ensure_ascii=False)
    return re.sub(r"\[[\d\s.,e+-]+\]", lambda numbers: " ".join(numbers[0].split()), text) + "\n"


def _check(entry: Entry, where: str) -> None:
    """The rules that types do not say."""
    _check_address(entry, where)
    if entry.text is not None:
        _check_address(entry.text, f"{where}: text")
        _check_address(entry.text.tokenizer, f"{where}: text: tokenizer", ".json")
    if entry.mirrors and entry.sha256 is None:
        raise BadEntry(f"{where}: it has mirrors and sha256 is null; what comes from a mirror is checked against it")
    if entry.upstream and entry.upstream.hash is not None:
        algorithm, _, digest = entry.upstream.hash.partition(":")
        if algorithm not in HASHES or not re.fullmatch(rf"[0-9a-f]{{4,{HASHES[algorithm]}}}", digest):
            rule = "md5:<hex digits> or sha256:<hex digits>"
            raise BadEntry(f"{where}: upstream.hash is {entry.upstream.hash!r}; it must be {rule}")
    for pre in filter(None, (entry.preprocess, entry.preprocess_oml)):
        if (pre.pad is not None) != (pre.mode == "contain"):
            raise BadEntry(
                f"{where}: preprocess has mode {pre.mode} and pad {pre.pad}; pad is for contain, and only there"
            )
        if min(*pre.resize, *pre.crop, *pre.std) <= 0:
            raise BadEntry(f"{where}: preprocess has a size or std that is not above 0")
        if any(crop > side for crop, side in zip(pre.crop, pre.resize, strict=True)):
            raise BadEntry(f"{where}: preprocess crops {pre.crop} out of {pre.resize}; the crop must fit")


def _check_address(holder: Entry | Text | Tokenizer, where: str, suffix: str = ".safetensors") -> None:
    """The rules of a file's place and content."""
    for key, length in {"sha256": 64, "revision": 40}.items():
        value = getattr(holder, key)
        if value is not None and not re.fullmatch(rf"[0-9a-f]{{{length}}}", value):
            raise BadEntry(f"{where}: {key} is {value!r}; it must be {length} lower-case hex digits, or null")
    if holder.file is not None and not holder.file.endswith(suffix):
        raise BadEntry(f"{where}: file is {holder.file!r}; only {suffix} files are opened")
    if holder.repo is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", holder.repo):
        raise BadEntry(f"{where}: repo is {holder.repo!r}; it must be organisation/name")
    if holder.repo is not None and holder.file is None:
        raise BadEntry(f"{where}: repo is {holder.repo!r} but file is null; name the file in the repository")
