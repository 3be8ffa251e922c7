"""The registry of the zoo: listing checkpoints, reading their facts, and building models with their weights.

Reading facts does not import torch. Modules that need torch are imported inside the functions that use them.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import HUB, Entry, without_address
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadEntry, BadInput, UnknownName, WeightsMismatch, WeightsUnavailable, notice
from omlzoo.models._timm_names import TIMM
from omlzoo.models._trust import Trust, trusting
from omlzoo.zoo.building import build_model, check_module, check_room, fitted

if TYPE_CHECKING:
    from torch import nn

    from omlzoo.models._extractor import Extractor

__all__ = ["Checkpoint", "checkpoint", "get_model", "get_weights", "list_models", "open_model"]

ImageSize = int | tuple[int, int]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of the zoo, such as ``omlzoo.vits16_inshop``. Calling it builds the model.

    Each instance has a docstring of its own, which ``help(omlzoo.vits16_inshop)`` shows.

    Attributes:
        weights: The facts of the checkpoint.
    """

    weights: Weights

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", _description(self.weights.entry))  # the dataclass is frozen

    def __repr__(self) -> str:
        entry = self.weights.entry
        return f"Checkpoint({entry.name}: {entry.arch}, dim {entry.dim}, {entry.license or 'licence unknown'})"

    @property
    def __name__(self) -> str:
        return self.weights.name

    def __call__(
        self, *, pretrained: bool = True, image_size: ImageSize | None = None, normalize: bool | None = None
    ) -> "Extractor":
        """Build the extractor, in eval mode and on the CPU.

        Args:
            pretrained: Whether to load the published weights; False gives random weights.
            image_size: Side of the images that ``transforms()`` returns, in pixels, or (H, W); None is the size of the
                checkpoint's preprocessing.
            normalize: Whether to divide embeddings by their L2 norm; None does as the checkpoint.

        Raises:
            WeightsUnavailable: The weights cannot be fetched, or their content is not that of the entry.
            WeightsMismatch: The weights do not fit the architecture.
        """
        weights = self.weights if pretrained else None
        return get_model(self.weights.name, weights=weights, image_size=image_size, normalize=normalize)


def _description(entry: Entry) -> str:
    """The docstring of a checkpoint's instance."""
    height, width = entry.preprocess.crop
    norm = "divided by their L2 norm" if entry.normalize else "not normalised"
    return (
        f"{entry.name}: a pretrained extractor of the zoo.\n\n"
        f"Architecture: {entry.arch}, with {entry.params:,} parameters.\n"
        f"Embeddings: dimension {entry.dim}, {norm}.\n"
        f"Input: images of {height} x {width} pixels (height x width); transforms() of the model makes them.\n"
        f"Family: {entry.family}.\n"
        f"Licence: {entry.license or 'not known'}.\n\n"
        f"omlzoo.{entry.name}() builds the model with its pretrained weights, in eval mode and on the CPU. The model\n"
        f"maps images (B, 3, {height}, {width}) to embeddings (B, {entry.dim}). omlzoo.{entry.name}.weights has all "
        "facts.\n\n"
        "Args:\n"
        "    pretrained: Whether to load the published weights (default); False gives random weights.\n"
        "    image_size: Side of the input in pixels, or (height, width); by default that of the checkpoint.\n"
        "    normalize: Whether to divide embeddings by their L2 norm; by default as the checkpoint does.\n"
    )


def list_models(
    pattern: str = "",
    *,
    family: str | None = None,
    license: str | None = None,
    arch: str | None = None,
    commercial: bool | None = None,
    pinned: bool | None = None,
) -> list[str]:
    """Names of the zoo's checkpoints, sorted.

    Args:
        pattern: Pattern of the names, with the wildcards ``* ? [ ]``. An empty pattern matches all.
        family: Only checkpoints of this family, such as "dinov2".
        license: Only checkpoints with this licence, such as "apache-2.0".
        arch: Only checkpoints of this architecture, such as "vits16".
        commercial: True gives only checkpoints whose licence is known to allow commercial use, False only the others;
            None gives both.
        pinned: True gives only checkpoints whose entry determines the content of the file, False only the others; None
            gives both.

    Raises:
        UnknownName: No checkpoint has that family, licence or architecture; similar values are suggested.
    """
    matching = manifest.matching(pattern)
    filters = {"family": family, "license": license, "arch": arch}
    for key, value in filters.items():
        if value is not None:
            known = {str(getattr(manifest.find(name), key)) for name in manifest.names()}
            if value not in known:
                raise UnknownName(f"{key} of the zoo's checkpoints", value, known)
            matching = [name for name in matching if getattr(manifest.find(name), key) == value]
    if commercial is not None:
        matching = [name for name in matching if (manifest.find(name).commercial is True) == commercial]
    if pinned is not None:
        matching = [name for name in matching if Weights(manifest.find(name)).pinned == pinned]
    return matching


def get_weights(name: str | Path) -> Weights:
    """The facts of a checkpoint. Weights are not downloaded.

    Args:
        name: A checkpoint of the zoo, a folder that finetune, convert or save wrote, "hf-hub:org/repo", or "timm:NAME",
            a name that timm registers, whose facts are read from timm's own configuration.

    Raises:
        UnknownName: The zoo, or timm, has no such name; similar names are suggested.
        BadEntry: The folder or repository has no valid ``entry.json``, or the model of timm gives no pooled vector.
        WeightsUnavailable: The repository cannot be reached.
    """
    name = str(name)
    if name.startswith(HUB):
        from omlzoo.checkpoints.fetch import fetch_entry

        return Weights(fetch_entry(name.removeprefix(HUB)))
    if name in manifest.names():
        return Weights(manifest.find(name))
    if name.startswith(TIMM):
        from omlzoo.checkpoints.timm_config import from_name

        return Weights(from_name(name.removeprefix(TIMM)))
    folder = Path(name)
    if folder.is_dir() or folder.is_absolute() or name.startswith(".") or len(folder.parts) > 1:
        from omlzoo.checkpoints.folder import WEIGHTS, open_entry

        if not folder.exists() and not folder.is_absolute() and len(folder.parts) == 2 and not name.startswith("."):
            also = f", or timm:{folder.name}" * (folder.parts[0] == "timm")
            raise BadEntry(f"{name}: there is no such folder; a repository of the Hub is hf-hub:{name}{also}")
        return Weights(open_entry(folder), folder.resolve() / WEIGHTS)
    return Weights(manifest.find(name))  # which says that there is none, or why one of a package is not taken


def get_model(
    name: str | Path,
    weights: "str | Path | Weights | None" = "DEFAULT",
    *,
    image_size: ImageSize | None = None,
    normalize: bool | None = None,
    progress: bool = True,
    trust: Trust = None,
    module: "nn.Module | type[nn.Module] | None" = None,
) -> "Extractor":
    """Build an extractor, in eval mode and on the CPU.

    Args:
        name: A checkpoint of the zoo, a folder that finetune, convert or save wrote, "hf-hub:org/repo", or "timm:NAME",
            a name that timm registers, such as "timm:convnext_tiny.in12k".
        weights: "DEFAULT" loads the checkpoint's own weights, and None leaves them random. A :class:`Weights`, a
            folder, a safetensors or ``.pth`` file in a known layout, or "hf-hub:org/repo" loads other weights into the
            same architecture.
        image_size: Side of the images that ``transforms()`` returns, in pixels, or (H, W); None is the size of the
            checkpoint's preprocessing.
        normalize: Whether to divide embeddings by their L2 norm; None does as the checkpoint.
        progress: Whether to show a progress bar during a download, if standard error is a terminal.
        trust: The package, or packages, whose classes the entry of a folder may name, such as "mypackage". Nothing else
            is ever imported for a folder.
        module: A module or a class of modules that stands in for the class that the entry names; nothing is imported.

    Raises:
        UnknownName: There is no such checkpoint; similar names are suggested.
        BadInput: ``weights`` is a file that does not exist, or ``image_size`` is not positive, too large, or none that
            the model takes; or the entry names a class of a package that is not trusted.
        BadEntry: An ``entry.json`` is missing or not valid, or it describes another model than its architecture.
        WeightsUnavailable: The weights cannot be fetched, or their content has another sha256 than the entry states.
        WeightsMismatch: The weights do not fit the architecture, or hold NaN or infinity.
    """
    facts = get_weights(name)
    weights = str(weights) if isinstance(weights, Path) else weights
    source: Weights | Path | None = facts
    if isinstance(weights, str) and weights != "DEFAULT" and (weights.startswith(HUB) or Path(weights).is_dir()):
        weights = get_weights(weights)
    if isinstance(weights, Weights):
        source = facts = _same_architecture(facts, weights)
    elif weights is None:
        source, facts = None, _unmeasured(facts, "random weights")
    elif weights != "DEFAULT":
        source, facts = Path(weights), _unmeasured(facts, f"the file {weights}")
    native = facts.entry.preprocess
    changes: dict[str, Any] = {"normalize": facts.entry.normalize if normalize is None else normalize}
    if image_size is not None:
        changes["preprocess"] = facts.entry.preprocess.scaled(image_size)
        oml = facts.entry.preprocess_oml
        changes["preprocess_oml"] = oml.scaled(image_size) if oml else None
    try:
        facts = replace(facts, entry=replace(facts.entry, **changes))
    except BadEntry as error:
        raise BadInput(f"image_size is {image_size!r}: {error}") from error
    if module is not None:
        check_module(module, facts.entry)
    file = _fetched(source, progress) if isinstance(source, Weights) else source
    if isinstance(source, Weights) and file is not None:
        check_room(facts.entry, file)
        facts = _as_fetched(facts)
    with trusting(trust, module):
        model = build_model(replace(facts.entry, preprocess=native), blank=source is not None)
    if file is not None:
        from omlzoo.checkpoints.state_dict import load_into
        from omlzoo.zoo.foreign_file import read_foreign

        current = model.state_dict()
        state = (
            source.tensors(file, current.keys())
            if isinstance(source, Weights)
            else read_foreign(file, facts.entry, current)
        )
        load_into(model, current, state, facts.entry.name, facts.entry.arch)
    facts = replace(facts, entry=fitted(model, facts.entry))
    model.weights = facts
    if source is not None and facts.entry.commercial is False:
        notice(f"{facts.name}: its licence, {facts.license}, allows no commercial use")
    return model.eval()


def open_model(model: "Extractor | str | Path") -> "Extractor":
    """The extractor itself if it is one, or the extractor that ``get_model`` builds from a name, folder or address.

    Raises:
        BadInput: It is anything else, such as a module that no one has wrapped.
    """
    if isinstance(model, str | Path):
        return get_model(str(model))
    if not hasattr(model, "weights") or not hasattr(model, "transforms"):  # what torch.compile wraps has them
        remedy = "give the .module in it" if hasattr(model, "module") else 'wrap it: omlzoo.wrap(module, name="mine")'
        raise BadInput(f"model is a {type(model).__name__}, no extractor of omlzoo; {remedy}")
    return model


def checkpoint(name: str) -> Checkpoint:
    """The object ``omlzoo.<name>``, which builds the model when it is called.

    Raises:
        UnknownName: The zoo has no such name; similar names are suggested.
    """
    return Checkpoint(Weights(manifest.find(name)))


def _fetched(source: Weights, progress: bool) -> Path:
    entry = source.entry
    if entry.name == entry.arch and source.file is None and not (entry.repo or entry.upstream):
        raise WeightsUnavailable(f"{entry.name}: timm publishes no weights of it; give a file, or weights=None")
    return source.fetch(progress)


def _same_architecture(ours: Weights, theirs: Weights) -> Weights:
    if (ours.entry.arch, ours.entry.arch_args) != (theirs.entry.arch, theirs.entry.arch_args):
        raise WeightsMismatch(
            f"{theirs.name} is a {theirs.entry.arch}, {ours.name} a {ours.entry.arch}; "
            f"call get_model({theirs.address!r})"
        )
    return theirs


def _as_fetched(facts: Weights) -> Weights:
    """The facts with the sha256 of the file that was taken, which may be another than one source alone has said."""
    if facts.entry.pin != "one source" or facts.file is not None:
        return facts
    from omlzoo.checkpoints.fetch import present

    _, sha256 = present(facts.entry)
    if sha256 == facts.entry.sha256:
        return facts
    return replace(facts, entry=replace(facts.entry, sha256=sha256, size=None, pin=None))


def _unmeasured(facts: Weights, what: str) -> Weights:
    source = f"{what}, in the architecture of {facts.entry.name}"
    return Weights(without_address(facts.entry, source=source), origin=what)
