"""Calibration of a model in 8-bit integers on the user's own pictures, measured on others before it is used.

Ranges of activations that are learnt from made pictures are of no use (docs/results.md), so there is no int8 without
pictures. nncf makes the model, OpenVINO computes it.
"""

import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.data.images import Box
from omlzoo.data.table import Table
from omlzoo.embedding.engines._int8_file import MODEL, int8_digest, int8_file
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Picture, Pipeline
from omlzoo.embedding.rehearsal import FEWEST, centred_cosine
from omlzoo.errors import BadInput, notice
from omlzoo.files import new_files
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.exporting import kept_onnx

__all__ = ["calibrate_int8", "first_hits"]

PICTURES = 320  # to calibrate on, and as many to measure with
RUN = 4  # neighbouring rows that are taken together, as pictures of a label often are
BATCH = 16
COSINE = 0.99  # least mean cosine to float32, the mean of the vectors taken off
LOSS = 0.01  # of cmc@1 that is allowed


def calibrate_int8(
    model: Extractor, table: Table, options: ComputeOptions, pictures: Sequence[Picture] | None = None
) -> None:
    """Make and keep the int8 model of a model, unless it is there already.

    Args:
        model: The extractor, which must have an entry.
        table: A row for each picture; with labels, the change of cmc@1 is measured too.
        options: How images are decoded.
        pictures: What is embedded in place of the table's files.

    Raises:
        BadInput: There are too few pictures, or the int8 model's vectors are too far from float32's; nothing is kept.
        MissingExtra: nncf, openvino, or what exports the model, is not installed.
    """
    path = int8_file(model)
    if int8_digest(path) is not None:
        return
    nncf, openvino = catalog.optional("nncf", "int8"), catalog.optional("openvino", "openvino")
    plain = Pipeline.of(model, replace(options, precision="fp32", runtime="torch", device="cpu"))
    rows = [np.flatnonzero(_taken(len(table)) == part) for part in (0, 1)]
    decoded = [_decoded(plain, table, part, pictures) for part in rows]
    if min(len(pixels) for _, pixels in decoded) < FEWEST // 2:
        raise BadInput(f"int8 is calibrated on pictures: {table.name} has {len(table)}, {FEWEST} are needed that can "
                       "be read; give more, or another precision")  # fmt: skip
    (_, learnt), (kept, checked) = decoded
    images = [plain.transform.normalize(torch.stack(part)).numpy() for part in _batches(learnt)]
    nncf.set_log_level(logging.ERROR)
    kind = nncf.ModelType.TRANSFORMER if any(hasattr(part, "fused_attn") for part in model.modules()) else None
    with kept_onnx(model) as exported, redirect_stdout(StringIO()):  # nncf draws a bar there
        made = nncf.quantize(openvino.Core().read_model(str(exported)), nncf.Dataset(images), subset_size=len(images),
                             model_type=kind)  # fmt: skip
    with new_files(path.parent, MODEL) as folder:
        openvino.save_model(made, str(folder / MODEL), compress_to_fp16=False)
        engine = catalog.find("embedding.engines", "OpenVinoEngine")(model, "int8", torch.device("cpu"), folder / MODEL)
        half = replace(plain, engine=engine)
        vectors = [np.concatenate([run.vectors(part) for part in _batches(checked)]) for run in (plain, half)]
        said = _checked(vectors[0], vectors[1], _labels(table, kept))
    counts = f"calibrated on {len(learnt)} pictures; on {len(checked)} others {said}"
    notice(f"{model.entry.name}: int8 was {counts}; kept in {path.parent}")


def first_hits(vectors: np.ndarray, labels: np.ndarray) -> float:
    """The share of the rows (N,) whose nearest other row has their label, of those whose label another row has; NaN
    where there are none.

    Args:
        vectors: (N, D).
        labels: (N,) texts; rows without one have "".
    """
    far = torch.cdist(torch.from_numpy(vectors), torch.from_numpy(vectors)).fill_diagonal_(torch.inf)
    nearest = far.argmin(dim=1).numpy()
    names, counts = np.unique(labels, return_counts=True)
    asked = np.isin(labels, names[(counts > 1) & (names != "")])
    return float((labels[nearest] == labels)[asked].mean()) if asked.any() else float("nan")


def _checked(exact: np.ndarray, found: np.ndarray, labels: np.ndarray) -> str:
    """What int8 changes, as a text; refused where it is much."""
    cosine, before, after = centred_cosine(found, exact), first_hits(exact, labels), first_hits(found, labels)
    hits = "" if np.isnan(before) else f", cmc@1 {before:.4f} in float32 and {after:.4f} in int8"
    text = f"its vectors have a cosine of {cosine:.4f} to float32's{hits}"
    if cosine < COSINE or before - after > LOSS:
        raise BadInput(f"int8 changes this model too much: {text}; at least {COSINE} and a loss of at most {LOSS} are "
                       "allowed; give precision bf16 or fp32")  # fmt: skip
    return text


def _taken(count: int) -> np.ndarray:
    """(N,) 0 for rows to calibrate on, 1 for those to measure with, -1 for the rest: runs of neighbours, in turn."""
    parts, runs = np.full(count, -1), -(-count // RUN)
    chosen = np.unique(np.linspace(0, max(0, runs - 1), min(runs, 2 * PICTURES // RUN)).astype(int))
    for number, run in enumerate(chosen):
        parts[run * RUN : (run + 1) * RUN] = number % 2
    return parts


def _decoded(
    run: Pipeline, table: Table, rows: np.ndarray, pictures: Sequence[Picture] | None
) -> tuple[np.ndarray, list[Tensor]]:
    """The rows whose pictures can be read, and the pictures."""
    part = table.part(rows)
    chosen: list[Picture] = part.pictures() if pictures is None else [pictures[row] for row in rows]
    boxes: list[Box | None] = list(part.boxes())
    pixels, _ = run.decode(list(zip(chosen, boxes, strict=True)))
    good = [number for number, picture in enumerate(pixels) if picture is not None]
    return rows[good], [picture for picture in pixels if picture is not None]


def _labels(table: Table, rows: np.ndarray) -> np.ndarray:
    if "label" not in table.frame:
        return np.full(len(rows), "")
    labels: np.ndarray = table.frame["label"].iloc[rows].astype("str").to_numpy(dtype=str)
    return labels


def _batches(pixels: list[Tensor]) -> list[list[Tensor]]:
    return [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
