"""Weights: the facts of one checkpoint, and access to its file. Reading facts needs neither torch nor network."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omlzoo.catalog import shared
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import HUB, Entry, Metric, without_address
from omlzoo.checkpoints.entry_rules import name_of
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import OmlzooError, UnknownName

if TYPE_CHECKING:
    from torch import Tensor

    from omlzoo.data.transforms import Transform

__all__ = ["Entry", "Weights"]


@dataclass(frozen=True)
class Weights:
    """The facts of one checkpoint; reading them needs neither torch nor network.

    Attributes:
        entry: All facts of the checkpoint.
        file: The local safetensors file, for weights that were opened from a folder; None for others.
        origin: Description of the weights if they are not those of the entry, such as "random weights"; else None.
    """

    entry: Entry
    file: Path | None = None
    origin: str | None = None

    def __repr__(self) -> str:
        entry = self.entry
        return f"Weights({entry.name}: {entry.arch}, dim {entry.dim}, {entry.license or 'licence unknown'})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the facts that one chooses by."""
        entry = self.entry
        figures = [f"{each.metric} {each.value:.3f} on {each.dataset}, by {each.by}" for each in entry.metrics]
        facts = {
            "architecture": entry.arch, "dim": entry.dim, "parameters": f"{entry.params:,}", "family": entry.family,
            "licence": entry.license or "unknown", "images": " x ".join(map(str, entry.preprocess.crop)) + " pixels",
            "figures": "; ".join(figures) or "none is known here", "pinned": "yes" if self.pinned else "no",
        }  # fmt: skip
        return str(shared("pages.notebook", "facts_html")(entry.name, facts))

    @property
    def name(self) -> str:
        """Name of the checkpoint."""
        return self.entry.name

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        return self.entry.dim

    @property
    def params(self) -> int:
        """Number of parameters."""
        return self.entry.params

    @property
    def license(self) -> str | None:
        """SPDX name of the licence in lower case, or None if it is not known."""
        return self.entry.license

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Published and measured metrics, each with its source."""
        return self.entry.metrics

    @property
    def preprocess(self) -> Preprocess:
        """The evaluation preprocessing of the authors of the weights."""
        return self.entry.preprocess

    @property
    def meta(self) -> dict[str, Any]:
        """All facts of the entry as nested dicts, lists and plain values."""
        return asdict(self.entry)

    @property
    def folder(self) -> Path | None:
        """The folder that the weights were opened from; None for others."""
        return None if self.file is None else self.file.parent

    @property
    def address(self) -> str:
        """The argument with which ``get_model`` opens these weights again, or a description if there is none."""
        if self.file is not None:
            return str(self.file.parent)
        if self.origin is not None:
            return f"{self.entry.name} with {self.origin}"
        if self.entry.name == self.entry.arch:  # "timm:NAME"
            return self.entry.name
        known = self.entry.name in manifest.names() and manifest.find(self.entry.name).repo == self.entry.repo
        return self.entry.name if known or self.entry.repo is None else f"{HUB}{self.entry.repo}"

    @property
    def pinned(self) -> bool:
        """Whether the entry has a sha256 and, for weights in a Hub repository, a commit."""
        if self.entry.package is not None:
            return True
        return self.entry.sha256 is not None and (self.entry.repo is None or self.entry.revision is not None)

    def transforms(self, variant: Literal["upstream", "oml"] = "upstream") -> "Transform":
        """The evaluation transform, from a PIL image to a float tensor (3, H, W).

        Args:
            variant: "upstream" for the preprocessing of the authors of the weights; "oml" for that with which Open
                Metric Learning measured them, which is the same unless the entry states another.

        Raises:
            UnknownName: There is no such variant.
        """
        from omlzoo.data.transforms import Transform

        if variant not in ("upstream", "oml"):
            raise UnknownName("variant", variant, ["upstream", "oml"])
        oml = self.entry.preprocess_oml if variant == "oml" else None
        return Transform(oml or self.entry.preprocess)

    def save(
        self, state: "Mapping[str, Tensor]", folder: str | Path, *, changed: bool, overwrite: bool = False
    ) -> None:
        """Write a state dict and its entry into a folder that ``omlzoo.get_model`` opens.

        Args:
            state: A state dict of the entry's architecture.
            folder: The folder; it is made if it does not exist. Its name becomes the name of the entry.
            changed: Whether the state dict may differ from the entry's file, for example after training. The entry is
                then written without the metrics and other facts that hold for that file only.
            overwrite: Whether to replace a checkpoint that the folder already has.

        Raises:
            BadInput: The folder has a checkpoint and ``overwrite`` is False, ``folder`` is a file, or another process
                writes it.
        """
        from omlzoo.checkpoints.fetch_text import beside_files
        from omlzoo.checkpoints.folder import check_vacant, save_folder
        from omlzoo.files import writing

        entry, name = self.entry, name_of(Path(folder).resolve().name)
        if changed or entry.sha256 is None:
            source = f"weights of one's own, started from {entry.name}"
            text = None if changed else entry.text  # changed weights no longer match the text tower
            entry = without_address(entry, name=name, source=source, text=text)
        entry = replace(
            entry, name=name, repo=None, revision=None, upstream=None, package=None, mirrors=(), gated=False
        )
        check_vacant(folder, overwrite)
        beside = {} if entry.text is None else beside_files(self.entry, entry.text, self.folder)
        with writing(folder):
            save_folder(state, entry, folder, overwrite, beside)

    def tensors(self, path: Path, names: Collection[str]) -> "Mapping[str, Tensor]":
        """The tensors of the weights' file, with the keys of the model.

        Args:
            path: The file, which :meth:`fetch` gives.
            names: The keys of the model's state dict.

        Raises:
            WeightsMismatch: The file is damaged, or its layout is not that of the entry.
        """
        from omlzoo.checkpoints import layouts
        from omlzoo.checkpoints.state_dict import load_tensors

        state = load_tensors(path)
        if self.entry.layout is None or state.keys() == set(names):  # for example, if the authors' file was converted
            return state
        if self.entry.layout == layouts.TIMM:
            return layouts.of_timm(state, self.entry, names)
        return layouts.convert(state, self.entry.layout, self.name)

    def hold(self, state: "Mapping[str, Tensor]") -> bool:
        """Whether a state dict has the numbers of the file, which is not fetched: False if it is not on this machine.

        Args:
            state: The state dict, on any device. Numbers are compared in its data types.
        """
        from torch import equal

        from omlzoo.checkpoints import cache
        from omlzoo.checkpoints.fetch import present
        from omlzoo.checkpoints.folder import weights_of

        path, sha256 = present(self.entry) if self.file is None else (weights_of(self.file.parent), self.entry.sha256)
        if path is None or sha256 is None or self.origin is not None:
            return False
        try:
            cache.verify(path, sha256, self.entry.name, remedy="write it again")
            theirs = self.tensors(path, state.keys())
        except OmlzooError:
            return False
        return theirs.keys() == state.keys() and all(
            tensor.shape == state[name].shape and equal(tensor.to(state[name].dtype), state[name].cpu())
            for name, tensor in theirs.items()
        )

    def fetch(self, progress: bool = True, afresh: bool = False) -> Path:
        """The verified local file of the weights, downloaded if it is not on this machine.

        Args:
            progress: Whether to show a progress bar during a download, if standard error is a terminal.
            afresh: Compute the sha256 even if the file was verified before.

        Raises:
            WeightsUnavailable: The file cannot be fetched, or its content has another sha256 than the entry states.
        """
        from omlzoo.checkpoints import cache
        from omlzoo.checkpoints.fetch import fetch_weights
        from omlzoo.checkpoints.folder import weights_of

        if self.file is None:
            return fetch_weights(self.entry, progress, afresh)
        path = weights_of(self.file.parent)
        if self.entry.sha256 is None:
            return path
        remedy = "write the folder again"
        return cache.verify(path, self.entry.sha256, self.entry.name, remedy, afresh, self.entry.size)
