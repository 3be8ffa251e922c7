"""Weights: the facts of one checkpoint and the way to its file. Reading facts needs neither torch nor network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import HUB, Entry, Metric, without_address
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import UnknownName

if TYPE_CHECKING:
    from torch import Tensor

    from omlzoo.data.transforms import Transform

__all__ = ["Entry", "Weights"]


@dataclass(frozen=True)
class Weights:
    """The facts of one checkpoint; reading them needs neither torch nor network.

    Attributes:
        entry: Everything the manifest says.
        file: A local safetensors file, where the weights are no zoo entry's; else None.
        origin: What the weights are where they are not the entry's own, such as "random weights".
    """

    entry: Entry
    file: Path | None = None
    origin: str | None = None

    @property
    def name(self) -> str:
        """Name of the checkpoint."""
        return self.entry.name

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return self.entry.dim

    @property
    def params(self) -> int:
        """Number of parameters."""
        return self.entry.params

    @property
    def license(self) -> str | None:
        """SPDX name in lower case, or None where it is not known."""
        return self.entry.license

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Published and measured numbers, each with its source."""
        return self.entry.metrics

    @property
    def preprocess(self) -> Preprocess:
        """The evaluation preprocessing of whoever trained these weights."""
        return self.entry.preprocess

    @property
    def meta(self) -> dict[str, Any]:
        """All facts as plain values."""
        return asdict(self.entry)

    @property
    def address(self) -> str:
        """What ``get_model`` opens to get these weights again, or says what they are if nothing does."""
        if self.file is not None:
            return str(self.file.parent)
        if self.origin is not None:
            return f"{self.entry.name} with {self.origin}"
        known = self.entry.name in manifest.names() and manifest.find(self.entry.name).repo == self.entry.repo
        return self.entry.name if known or self.entry.repo is None else f"{HUB}{self.entry.repo}"

    @property
    def pinned(self) -> bool:
        """Whether the entry itself says what the content has to be."""
        return self.entry.sha256 is not None and (self.entry.repo is None or self.entry.revision is not None)

    def transforms(self, variant: Literal["upstream", "oml"] = "upstream") -> "Transform":
        """The evaluation transform: a PIL image to (3, H, W) float.

        Args:
            variant: "upstream" is that of whoever trained the weights; "oml" the one Open Metric Learning measured
                with, which is the same where the entry has no other.
        """
        from omlzoo.data.transforms import Transform

        if variant not in ("upstream", "oml"):
            raise UnknownName("variant", variant, ["upstream", "oml"])
        oml = self.entry.preprocess_oml if variant == "oml" else None
        return Transform(oml or self.entry.preprocess)

    def save(
        self, state: "Mapping[str, Tensor]", folder: str | Path, *, changed: bool, overwrite: bool = False
    ) -> None:
        """Write a state dict and the entry that says what it is: a folder that ``omlzoo.get_model`` opens.

        Args:
            state: Of the entry's architecture.
            folder: Is made where needed; its name becomes the entry's.
            changed: Whether the state need no longer be that of the entry's file.
            overwrite: Replace a checkpoint that stands there.

        Raises:
            BadInput: The folder has a checkpoint already, or is a file.
        """
        from omlzoo.checkpoints.folder import save_folder

        entry, name = self.entry, Path(folder).resolve().name
        if changed or entry.sha256 is None:
            source = f"weights of one's own, started from {entry.name}"
            text = None if changed else entry.text  # other weights have left its vectors
            entry = without_address(entry, name=name, source=source, text=text)
        entry = replace(entry, name=name, repo=None, revision=None, upstream=None, mirrors=(), gated=False)
        save_folder(state, entry, folder, overwrite)

    def fetch(self, progress: bool = True, afresh: bool = False) -> Path:
        """The verified local file, downloaded where needed.

        Args:
            progress: Draw a bar where standard error is a terminal.
            afresh: Compute the sha256 also of a file that was verified before and did not change.

        Raises:
            WeightsUnavailable: It cannot be had, or its bytes are not the promised ones.
        """
        from omlzoo.checkpoints import cache
        from omlzoo.checkpoints.fetch import fetch_weights

        if self.file is None:
            return fetch_weights(self.entry, progress, afresh)
        if self.entry.sha256 is None:
            return self.file
        return cache.verify(
            self.file, self.entry.sha256, self.entry.name, remedy="write the folder again", afresh=afresh
        )
