"""The zoo: names to facts and to models. The only place where entry, file and architecture meet.

Reading facts needs no torch: what does is imported inside the functions that use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omlzoo import catalog
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import HUB, Entry, without_address
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadEntry, BadInput, UnknownName, WeightsMismatch, notice

if TYPE_CHECKING:
    from torch import Tensor

    from omlzoo.models._extractor import Extractor

__all__ = ["Checkpoint", "check_fit", "checkpoint", "get_model", "get_weights", "list_models", "open_model"]

ImageSize = int | tuple[int, int]


@dataclass(frozen=True)
class Checkpoint:
    """What ``omlzoo.vits16_inshop`` is: call it for the model, read ``weights`` for the facts."""

    weights: Weights

    @property
    def __name__(self) -> str:
        return self.weights.name

    def __call__(
        self, *, pretrained: bool = True, image_size: ImageSize | None = None, normalize: bool | None = None
    ) -> "Extractor":
        """Build the extractor, in eval mode and on the CPU.

        Args:
            pretrained: Load the published weights; False gives the same architecture with random ones.
            image_size: Pixels of a side, or (H, W), that ``transforms()`` yields; the checkpoint's own by default.
            normalize: Divide embeddings by their L2 norm; as the checkpoint does by default.
        """
        weights = self.weights if pretrained else None
        return get_model(self.weights.name, weights=weights, image_size=image_size, normalize=normalize)


def list_models(
    pattern: str = "",
    *,
    family: str | None = None,
    license: str | None = None,
    arch: str | None = None,
    commercial: bool | None = None,
) -> list[str]:
    """Names of the zoo's checkpoints, sorted.

    Args:
        pattern: With the wildcards ``* ? [ ]``; all names for an empty one.
        family: Only those of this family, such as "dinov2".
        license: Only those of this licence, such as "apache-2.0".
        arch: Only those of this architecture, such as "vits16".
        commercial: True: only those whose licence is known to allow commercial use; False: only the others.
    """
    found = manifest.matching(pattern)
    wanted = {"family": family, "license": license, "arch": arch}
    for key, value in wanted.items():
        if value is not None:
            known = {str(getattr(manifest.find(name), key)) for name in manifest.names()}
            if value not in known:
                raise UnknownName(f"{key} of the zoo's checkpoints", value, known)
            found = [name for name in found if getattr(manifest.find(name), key) == value]
    if commercial is not None:
        found = [name for name in found if (manifest.find(name).commercial is True) == commercial]
    return found


def get_weights(name: str | Path) -> Weights:
    """The facts of a checkpoint, a run folder or ``hf-hub:org/repo``.

    Raises:
        UnknownName: The zoo has no such name; near ones are suggested.
    """
    name = str(name)
    if name.startswith(HUB):
        from omlzoo.checkpoints.fetch import fetch_entry

        return Weights(fetch_entry(name.removeprefix(HUB)))
    if name in manifest.names():
        return Weights(manifest.find(name))
    folder = Path(name)
    if folder.is_dir() or folder.is_absolute() or name.startswith(".") or len(folder.parts) > 1:
        from omlzoo.checkpoints.folder import WEIGHTS, open_entry

        return Weights(open_entry(folder), folder.resolve() / WEIGHTS)
    raise UnknownName("the zoo", name, manifest.names())


def get_model(
    name: str | Path,
    weights: "str | Path | Weights | None" = "DEFAULT",
    *,
    image_size: ImageSize | None = None,
    normalize: bool | None = None,
    progress: bool = True,
) -> "Extractor":
    """Build an extractor, in eval mode and on the CPU.

    Args:
        name: A checkpoint of the zoo, a folder that finetune, convert or save wrote, or "hf-hub:org/repo".
        weights: "DEFAULT" loads the checkpoint's own; None leaves them random; a :class:`Weights`, a safetensors or
            ``.pth`` file in a known layout, or "hf-hub:org/repo" load others into the same architecture.
        image_size: Pixels of a side, or (H, W), that ``transforms()`` yields; the checkpoint's own by default.
        normalize: Divide embeddings by their L2 norm; as the checkpoint does by default.
        progress: Draw a bar while downloading where standard error is a terminal.

    Raises:
        UnknownName: There is no such checkpoint; near names are suggested.
        WeightsUnavailable: The weights cannot be had or are not the promised ones.
        WeightsMismatch: They do not fit the architecture, or hold NaN or infinity.
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
    changes: dict[str, Any] = {"normalize": facts.entry.normalize if normalize is None else normalize}
    if image_size is not None:
        changes["preprocess"] = facts.entry.preprocess.scaled(image_size)
        oml = facts.entry.preprocess_oml
        changes["preprocess_oml"] = oml.scaled(image_size) if oml else None
    facts = replace(facts, entry=replace(facts.entry, **changes))
    model = _build(facts.entry, blank=source is not None)
    if source is not None:
        from omlzoo.checkpoints.state_dict import load_into

        wanted = model.state_dict()
        state = _read(source, wanted, progress) if isinstance(source, Weights) else _read_foreign(source, wanted)
        load_into(model, wanted, state, facts.entry.name, facts.entry.arch)
    model.weights, model.changed = facts, False
    if source is not None and facts.entry.commercial is False:
        said = f"{facts.name}: its licence, {facts.license}, allows no commercial use"
        notice(said)
    return model.eval()


def open_model(model: "Extractor | str | Path") -> "Extractor":
    """The extractor itself, or the one of that name, folder or ``hf-hub:`` address."""
    return get_model(str(model)) if isinstance(model, str | Path) else model


def checkpoint(name: str) -> Checkpoint:
    """The function behind ``omlzoo.<name>``."""
    return Checkpoint(Weights(manifest.find(name)))


def _same_architecture(ours: Weights, theirs: Weights) -> Weights:
    if (ours.entry.arch, ours.entry.arch_args) != (theirs.entry.arch, theirs.entry.arch_args):
        raise WeightsMismatch(
            f"{theirs.name} is a {theirs.entry.arch}, {ours.name} a {ours.entry.arch}; "
            f"call get_model({theirs.address!r})"
        )
    return theirs


def _unmeasured(facts: Weights, what: str) -> Weights:
    source = f"{what}, in the architecture of {facts.entry.name}"
    return Weights(without_address(facts.entry, source=source), origin=what)


def _read(facts: Weights, wanted: Mapping[str, "Tensor"], progress: bool) -> Mapping[str, "Tensor"]:
    from omlzoo.checkpoints import layouts
    from omlzoo.checkpoints.state_dict import load_tensors

    state = load_tensors(facts.fetch(progress))
    if facts.entry.layout is None or state.keys() == wanted.keys():  # as where the authors' file was converted
        return state
    return layouts.convert(state, facts.entry.layout, facts.name)


def _read_foreign(path: Path, wanted: Mapping[str, "Tensor"]) -> Mapping[str, "Tensor"]:
    """A file with our keys, or in a foreign layout that is recognised by its keys and said."""
    from omlzoo.checkpoints import layouts, safe_load
    from omlzoo.checkpoints.state_dict import check_finite

    if not path.is_file():
        raise BadInput(
            f"{path}: there is no such file; weights is 'DEFAULT', None, a Weights, a file or hf-hub:org/repo"
        )
    state: Mapping[str, Tensor] = safe_load.open_file(path, str(path))
    if state.keys() != wanted.keys():
        layout = layouts.recognise(state, str(path))
        notice(f"{path} was read in the layout {layout}")
        state = layouts.convert(state, layout, str(path))
    check_finite(state, str(path))
    return state


def _build(entry: Entry, blank: bool) -> "Extractor":
    """The architecture; ``blank`` skips random initialisation, for weights that are filled in at once."""
    from contextlib import nullcontext

    from omlzoo.models._blank import Blank

    build = catalog.find("models", entry.arch)
    with Blank() if blank else nullcontext():
        try:
            model: Extractor = build(normalize=entry.normalize, **entry.arch_args)
        except TypeError as error:
            raise BadEntry(f"{entry.name}: arch_args {entry.arch_args} do not suit {entry.arch}: {error}") from error
    return model


def check_fit(entry: Entry, state: Mapping[str, "Tensor"]) -> None:
    """Raise WeightsMismatch where the names or shapes of a state dict are not those of the entry's architecture."""
    from omlzoo.checkpoints.state_dict import compare_shapes

    compare_shapes(_build(entry, blank=True).state_dict(), state, entry.name, entry.arch)
