"""Which precision and engine compute a model here: asked for, kept by vectors that exist, or decided by a rehearsal.

What a rehearsal took is said once and kept. It is decided again only for another model, processor or version of the
libraries. Vectors that exist already keep the precision that they have, whatever would be faster here.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from omlzoo.data.images import Box
from omlzoo.data.table import Table
from omlzoo.embedding.hardware import device_of, has_bf16, multiplies_bf16
from omlzoo.embedding.int8_calibration import calibrate_int8
from omlzoo.embedding.options import ComputeOptions, Runtime
from omlzoo.embedding.pipeline import Picture, Pipeline
from omlzoo.embedding.rehearsal import Choice, may_rehearse, memory_of, rehearse, remember, remembered, weights_digest
from omlzoo.embedding.replacement import kept_precision
from omlzoo.errors import OmlzooError, notice
from omlzoo.models._extractor import Extractor

__all__ = ["settled", "settled_for", "some_of"]

SEEN = 16  # pictures that are computed in every way


def settled_for(
    model: Extractor,
    table: Table,
    options: ComputeOptions,
    out: str | Path | None = None,
    overwrite: bool = False,
    pictures: Sequence[Picture] | None = None,
) -> ComputeOptions:
    """The options with the precision and the runtime decided, see :func:`settled`.

    Args:
        model: The extractor, which must have an entry.
        table: A row for each picture.
        options: The options that were asked for.
        out: The file or folder that is written; vectors of these weights that are there keep their precision.
        overwrite: Whether they are replaced.
        pictures: What is embedded in place of the table's files.
    """
    if "auto" not in (options.precision, options.runtime) and options.precision != "int8":
        return options
    kept = None if out is None else kept_precision(out, weights_digest(model), overwrite)
    options = settled(model, options, some_of(table, pictures), len(table), kept)
    if options.precision == "int8" and kept != "int8":  # vectors that exist are added to by the model that made them
        calibrate_int8(model, table, options, pictures)
    return options


def settled(
    model: Extractor,
    options: ComputeOptions,
    some: Sequence[tuple[Picture, Box | None]],
    count: int,
    kept: str | None = None,
) -> ComputeOptions:
    """The options with the precision and the runtime decided.

    Args:
        model: The extractor, which must have an entry.
        options: The options; where neither precision nor runtime is "auto", they are returned as they are.
        some: Some of the pictures, with their boxes, that are computed if there is a rehearsal.
        count: The number of all pictures that are to be computed.
        kept: The precision of vectors that exist already and to which others are added; None where there are none.

    Raises:
        BadInput: There is no such device.
    """
    if "auto" not in (options.precision, options.runtime):
        return options
    device = device_of(options.device, next(model.parameters()).device, on_cpu=options.runtime in ("onnx", "openvino"))
    choices = _choices(options, device, kept)
    known = remembered(memory_of(model, device, _question(options))) if len(choices) > 1 else None
    if known not in choices:
        known = _plain(choices, device)
        if len(choices) > 1 and kept is None and may_rehearse(count):
            known = _decide(model, options, some, choices, device)
    return replace(options, precision=known.precision, runtime=known.runtime)


def some_of(table: Table, pictures: Sequence[Picture] | None = None) -> list[tuple[Picture, Box | None]]:
    """Pictures from all over a table, with their boxes, for a rehearsal.

    Args:
        table: A row for each picture.
        pictures: What is embedded in place of the table's files.
    """
    places = np.unique(np.linspace(0, max(0, len(table) - 1), min(SEEN, len(table))).astype(int))
    rows = table.part(places)
    chosen = rows.pictures() if pictures is None else [pictures[place] for place in places]
    return list(zip(chosen, rows.boxes(), strict=True))


def _choices(options: ComputeOptions, device: torch.device, kept: str | None) -> list[Choice]:
    """The ways that are possible here and that the options leave open; the plainest first."""
    precision_asked = options.precision if kept is None or options.precision != "auto" else kept
    runtimes: list[Runtime] = ["torch", "onnx", "openvino"] if options.runtime == "auto" else [options.runtime]
    if precision_asked == "int8":
        return [Choice("openvino", "int8")]
    exports = all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
    usable = {"torch": True, "onnx": device.type == "cpu" and exports}
    usable["openvino"] = usable["onnx"] and find_spec("openvino") is not None
    asked = options.runtime != "auto"  # what is not installed is then said when it is opened
    pairs: list[tuple[Any, Any]] = [
        (runtime, precision)
        for runtime in runtimes
        for precision in (("fp32", "bf16") if precision_asked == "auto" else (precision_asked,))
        if asked or usable[runtime]
        if precision_asked != "auto" or precision == "fp32" or (has_bf16(device) and runtime != "onnx")
        if asked or precision == "fp32" or runtime != "onnx"
    ]
    return [Choice(runtime, precision) for runtime, precision in pairs]


def _plain(choices: Sequence[Choice], device: torch.device) -> Choice:
    """What is taken without a rehearsal: bf16 where any model gains by it, and torch."""
    wanted = "bf16" if choices[0].runtime == "torch" and multiplies_bf16(device) else choices[0].precision
    return next((way for way in choices if way.precision == wanted), choices[0])


def _decide(
    model: Extractor,
    options: ComputeOptions,
    some: Sequence[tuple[Picture, Box | None]],
    choices: Sequence[Choice],
    device: torch.device,
) -> Choice:
    """Rehearse, keep what was found, and say it."""
    pipelines, failed = {}, []
    for way in choices:
        try:
            pipelines[way] = Pipeline.of(model, replace(options, **asdict(way)))
        except OmlzooError as error:
            if way == choices[0]:
                raise
            failed.append(f"{way} cannot: {error}")
    first = pipelines[choices[0]]
    decoded, _ = first.decode(some)
    pixels = [picture for picture in decoded if picture is not None]
    if len(pixels) < SEEN // 2:  # the pictures are broken, which is said when they are computed
        return _plain(choices, device)
    found = rehearse({way: run.vectors for way, run in pipelines.items()}, pixels, device)
    text = "; ".join([f"{model.entry.name}: rehearsed on {len(pixels)} pictures, {found}", *failed])
    remember(memory_of(model, device, _question(options)), found)
    notice(f"{text}; kept for this machine, precision and runtime override it")
    return found.taken


def _question(options: ComputeOptions) -> list[str]:
    return [options.precision, options.runtime]
