"""Entries: all facts of one checkpoint, and their strict JSON form.

Every key is required and no other is allowed; a value that is not known is ``null``. The files of
``weights_manifest/`` and the ``entry.json`` of a run folder follow the same schema.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from omlzoo.checkpoints import entry_rules as rules
from omlzoo.checkpoints.calibration import Calibration
from omlzoo.checkpoints.sources import LARGEST, Package, Pin, Upstream
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadEntry, BadInput
from omlzoo.jsonio import build, read_json

__all__ = [
    "HUB",
    "Entry",
    "Metric",
    "Text",
    "Tokenizer",
    "dump_entry",
    "read_entry",
    "without_address",
]

HUB = "hf-hub:"  # prefix of a repository, where the name of a checkpoint or a folder is accepted too

MOST_DIM, MOST_PARAMS, MOST_TOKENS = 262_144, 10**12, 10**7


@dataclass(frozen=True)
class Metric:
    """The value of one metric of a checkpoint on one data set.

    Attributes:
        dataset: Name of the data set, such as "SOP".
        metric: Name of the metric, such as "cmc@1".
        value: Value of the metric, a fraction in [0, 1].
        by: Who measured it.
        where: Page, file or command that the value comes from.
        variant: Which preprocessing of the entry was used: "upstream" for ``preprocess``, "oml" for ``preprocess_oml``;
            null if unknown.
    """

    dataset: str
    metric: str
    value: float
    by: str
    where: str
    variant: Literal["upstream", "oml"] | None

    def __post_init__(self) -> None:
        rules.check_finite_numbers(f"the metric {self.metric}", [self.value])


@dataclass(frozen=True)
class Tokenizer:
    """The tokenizer that turns texts into the token ids that a text tower reads.

    Attributes:
        repo: Hugging Face Hub repository, "organisation/name".
        revision: Commit of the repository, 40 hex digits; null means *unpinned*.
        file: Name of a ``tokenizer.json`` in the repository.
        sha256: sha256 of the file's content, 64 hex digits; null means *unpinned*.
        clean: How a text is cleaned before it is tokenized, see :func:`omlzoo.zoo.tokenizer.cleaned`.
        begin: Id of the token that is put before each text; null if there is none.
        end: Id of the token that is put after each text.
        pad: Id of the token that short texts are padded with.
    """

    repo: str
    revision: str | None
    file: str
    sha256: str | None
    clean: Literal["lower", "canonical"]
    begin: int | None
    end: int
    pad: int

    def __post_init__(self) -> None:
        _check_address(self, "text: tokenizer: ", ".json")
        for key in ("begin", "end", "pad"):
            rules.check_range(f"text: tokenizer: {key}", getattr(self, key), 0, MOST_TOKENS)


@dataclass(frozen=True)
class Text:
    """The text tower that was trained together with an image tower, so that texts and images can be compared.

    Attributes:
        arch: Name of a function of :mod:`omlzoo.models._text_tower`.
        arch_args: Arguments that the function is called with.
        params: Number of parameters of the text tower.
        repo: Hugging Face Hub repository, "organisation/name"; null if the file lies beside the weights of the image
            tower, or if no repository with a safetensors file is known.
        revision: Commit of the repository, 40 hex digits; null means *unpinned*.
        file: Name of a safetensors file of both towers, or of the text tower alone, in open_clip's layout.
        sha256: sha256 of the file's content, 64 hex digits; null means *unpinned*.
        size: Size of the file in bytes.
        tokenizer: The tokenizer of the text tower.
        source: Where these facts were read.
        pin: How the sha256 is known, as the entry's ``pin``.
        alternatives: Other names that the file may have, tried in order where the repository has no ``file``.
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
    pin: Pin | None = None
    alternatives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_address(self, "text: ")
        if self.beside and self.sha256 is None:
            raise BadEntry("text: repo is null, so the file lies beside the weights, and sha256 is null; give it")
        for file in self.alternatives:
            rules.check_path(file, ".safetensors", "text: alternatives")
        rules.check_arguments(self.arch_args)
        rules.check_range("text: params", self.params, 1, MOST_PARAMS)
        rules.check_range("text: size", self.size, 0, LARGEST)

    @property
    def beside(self) -> bool:
        """Whether the file and the ``tokenizer.json`` lie beside the weights of the image tower, as in a run folder."""
        return self.repo is None and self.file is not None


@dataclass(frozen=True)
class Entry:
    """All facts of one checkpoint.

    Attributes:
        name: Name of the checkpoint. In the manifest it is also the name of the file.
        family: Project or organisation that made the weights, in one word, for filtering.
        arch: Name of a function of :mod:`omlzoo.models`; or "timm:NAME", a name that timm registers; or
            "module:package.Class", a class that is imported only if the user names its package.
        arch_args: Arguments that it is called with.
        dim: Dimension of the embedding.
        params: Number of parameters of the extractor.
        repo: Hugging Face Hub repository, "organisation/name"; null if the weights are in none.
        revision: Commit of the repository, 40 hex digits; null means *unpinned*.
        file: Name of the safetensors file in the repository, or in ``weights_manifest/bundled``.
        sha256: sha256 of the file's content, 64 hex digits; null means *unpinned*.
        size: Size of the file in bytes.
        mirrors: URLs of the same file, tried in order if the repository cannot be reached. Mirrors require a sha256.
        layout: Key layout of the file, see :mod:`omlzoo.checkpoints.layouts`; null if its keys are those of the model.
        upstream: The authors' file, for weights that are in no Hub repository.
        preprocess: The evaluation preprocessing of the authors of the weights.
        preprocess_oml: The preprocessing that Open Metric Learning used for these weights, if it differs.
        normalize: Whether the embedding is divided by its L2 norm.
        metrics: Published and measured metrics.
        license: SPDX name of the licence in lower case; null if it is not known.
        commercial: Whether the licence allows commercial use; null if it is not known.
        gated: Whether the repository requires a login.
        citation: The paper, with its arXiv number.
        source: Where these facts were read.
        fingerprint: First values of the embedding of a generated picture, see :mod:`omlzoo.zoo.fingerprint`.
        notes: Anything else that a user should know.
        calibration: Thresholds and probabilities of the model's distances, written by ``omlzoo calibrate``.
        text: The text tower that was trained together with this image tower, if there is one.
        pin: How the sha256 is known: measured here, told by the publisher, named by two unrelated sources or more, or
            by one, which may err: where the Hub announces another, that is said; null if it is not known.
        package: The installable distribution that has the weights, if one does.
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
    pin: Pin | None = None
    package: Package | None = None

    def __post_init__(self) -> None:
        rules.check_name(self.name)
        _check_address(self)
        if self.mirrors and self.sha256 is None:
            raise BadEntry("it has mirrors and sha256 is null; what comes from a mirror is checked against it")
        for url in self.mirrors:
            rules.check_url(url, "a mirror")
        rules.check_arch(self.arch)
        rules.check_arguments(self.arch_args)
        rules.check_range("dim", self.dim, 1, MOST_DIM)
        rules.check_range("params", self.params, 1, MOST_PARAMS)
        rules.check_range("size", self.size, 0, LARGEST)
        rules.check_finite_numbers("fingerprint", self.fingerprint or ())
        for pre in filter(None, (self.preprocess, self.preprocess_oml)):
            rules.check_preprocess(pre)


def read_entry(path: Path, name: str | None = None) -> Entry:
    """Read an entry from a JSON file and check it.

    Args:
        path: The JSON file.
        name: The name that the entry must have; None accepts any name, and entries that an earlier version wrote.

    Raises:
        BadEntry: The file cannot be read, a key is missing or unknown, or a value breaks its rule. The message names
            the file.
    """
    raw = read_json(path, BadEntry)
    if name is None:
        raw = rules.completed(raw)
    try:
        entry = build(Entry, raw, str(path))
    except (BadEntry, BadInput) as error:
        said = str(error)
        raise BadEntry(said if said.startswith(str(path)) else f"{path}: {said}") from error
    if name is not None and entry.name != name:
        raise BadEntry(f"{path}: name is {entry.name!r}; it must be the file's, {name!r}")
    return entry


def without_address(entry: Entry, **changes: Any) -> Entry:
    """The entry for other weights of the same architecture, without address, metrics, fingerprint, notes or text tower.

    Args:
        entry: The entry to start from.
        **changes: Fields that are set afterwards, by their names.
    """
    bare = replace(
        entry, repo=None, revision=None, file=None, sha256=None, size=None, mirrors=(), layout=None, upstream=None,
        gated=False, metrics=(), fingerprint=None, notes=None, calibration=None, text=None, pin=None,
        package=None,
    )  # fmt: skip
    return replace(bare, **changes)


def dump_entry(entry: Entry) -> str:
    """The entry as the text of its JSON file, with each list of numbers on one line."""
    text = json.dumps(asdict(entry), indent=2, ensure_ascii=False)
    return re.sub(r"\[[\d\s.,e+-]+\]", lambda numbers: " ".join(numbers[0].split()), text) + "\n"


def _check_address(holder: Entry | Text | Tokenizer, where: str = "", suffix: str = ".safetensors") -> None:
    """Check the repository, revision, file name and sha256 of an entry, a text tower or a tokenizer."""
    rules.check_hex(holder.sha256, 64, f"{where}sha256")
    rules.check_hex(holder.revision, 40, f"{where}revision")
    if holder.file is not None:
        rules.check_path(holder.file, suffix, f"{where}file")
    if holder.repo is not None:
        rules.check_repo(holder.repo, f"{where}repo")
        if holder.file is None:
            raise BadEntry(f"{where}repo is {holder.repo!r} but file is null; name the file in the repository")
