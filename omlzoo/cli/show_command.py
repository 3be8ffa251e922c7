"""omlzoo show."""

from collections.abc import Iterator, Mapping

from omlzoo.checkpoints.entry import Text
from omlzoo.checkpoints.weights import Weights
from omlzoo.cli.output import print_json, print_line
from omlzoo.data.preprocess import Preprocess
from omlzoo.zoo.costs import circumstances
from omlzoo.zoo.overview import Overview
from omlzoo.zoo.registry import get_weights

__all__ = ["show_command"]

Section = Iterator[tuple[str, object]]  # facts by their names; a fact without a name is a line of its own


def show_command(name: str, *, json: bool = False) -> None:
    """Show all facts of one checkpoint.

    Parameters
    ----------
    name
        A checkpoint of the zoo, a run folder, or hf-hub:org/repo.
    json
        Print one JSON document.
    """
    weights = get_weights(name)
    if json:
        print_json({**weights.meta, "pinned": weights.pinned})
        return
    sections = {
        "What it is": _what(weights),
        "How to get it": _address(weights),
        "Licence": _licence(weights),
        "Preprocessing": _preprocessing(weights),
        "Figures": _figures(weights),
        "Cost of one image": _cost(weights),
        "Pin": _pin(weights),
    }
    print_line(weights.name)
    for title, facts in sections.items():
        print_line(f"\n{title}")
        for key, value in facts:
            print_line(f"  {key:15} {_words(value)}" if key else f"  {_words(value)}")


def _what(weights: Weights) -> Section:
    entry = weights.entry
    yield "family", entry.family
    yield "tasks", Overview(entry).tasks
    yield "architecture", entry.arch
    yield "arguments", entry.arch_args
    yield "embedding", f"{entry.dim:,} numbers, {'divided by their L2 norm' if entry.normalize else 'not normalised'}"
    yield "parameters", f"{entry.params:,}"
    yield "text tower", _text(entry.text) if entry.text else "none"
    yield "calibration", "thresholds and probabilities, by omlzoo calibrate" if entry.calibration else "none"
    yield "notes", entry.notes or "none"
    yield (
        "citation",
        f"{'of the weights it started from: ' if weights.file is not None else ''}{entry.citation or 'none'}",
    )
    yield "facts from", entry.source


def _text(text: Text) -> str:
    where = "beside its weights:" if text.beside else text.repo or "no repository known"
    return f"{text.arch}, {text.params:,} parameters, {where} {text.file or ''}".rstrip()


def _address(weights: Weights) -> Section:
    entry = weights.entry
    if weights.file is not None:
        yield "file", weights.file
        yield "size", _bytes(entry.size)
        return
    place = Overview(entry).place
    yield "command", f"omlzoo fetch {weights.address}"
    yield "on this machine", f"yes: {place}" if place else "no"
    yield "repository", entry.repo or "none"
    if (package := getattr(entry, "package", None)) is not None:
        yield "package", f"{package.distribution} {package.version}"
    yield "file", entry.file
    yield "size", _bytes(entry.size)
    yield "key layout", entry.layout or "the model's own"
    yield "authors' file", entry.upstream.url if entry.upstream else "none"
    yield "mirrors", entry.mirrors or "none"
    yield "login needed", entry.gated


def _licence(weights: Weights) -> Section:
    of = " (of the weights that it started from)" if weights.file is not None else ""
    yield "licence", f"{_words(weights.license)}{of}"
    yield "commercial use", weights.entry.commercial


def _preprocessing(weights: Weights) -> Section:
    yield from _steps(weights.preprocess)
    if weights.entry.preprocess_oml is not None:
        yield "", 'Open Metric Learning measured with another, transforms(variant="oml"):'
        yield from _steps(weights.entry.preprocess_oml)


def _steps(pre: Preprocess) -> Section:
    antialias = "antialias" if pre.antialias else "no antialias"
    yield "resize", f"{_size(pre.resize)}, {pre.mode}, {pre.interpolation}, {antialias}"
    if pre.pad is not None:
        yield "border", f"grey {pre.pad}"
    yield "crop", f"{_size(pre.crop)}, the middle"
    yield "mean", pre.mean
    yield "std", pre.std


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels (height x width)"


def _figures(weights: Weights) -> Section:
    if not weights.metrics:
        yield "", "none is known here"
    for m in weights.metrics:
        variant = f", {m.variant} preprocessing" if m.variant else ""
        yield "", f"{m.metric} {m.value:.4f} on {m.dataset}: by {m.by} ({m.where}{variant})"


def _cost(weights: Weights) -> Section:
    one = Overview(weights.entry)
    counted = f"{one.flops / 1e9:,.2f} GFLOPs (a multiplication and an addition are two)" if one.flops else None
    yield "operations", counted
    how = circumstances()
    said = f"{how['threads']} thread, batches of {how['batch']}, {how['precision']}, {how['machine']}"
    yield "CPU", f"{one.speed:g} images/s ({said})" if one.speed else "not measured"


def _pin(weights: Weights) -> Section:
    entry = weights.entry
    yield "pinned", weights.pinned
    yield "sha256", entry.sha256
    yield "known by", entry.pin
    if entry.repo is not None:
        yield "commit", entry.revision
    if entry.upstream is not None:
        yield "authors' hash", f"{entry.upstream.hash or 'unknown'}, known by {entry.upstream.pin or 'unknown'}"
    yield "fingerprint", "stored" if entry.fingerprint else "none stored"


def _bytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e6:,.1f} MB"


def _words(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
