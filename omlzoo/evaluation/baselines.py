"""What needs no training: raw pixels, colours and random weights, beside which a model's numbers can be judged."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from omlzoo.data.images import Box, to_rgb
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.embedding.extraction import embed_table
from omlzoo.embedding.options import ComputeOptions, Precision, Profiles
from omlzoo.embedding.pipeline import DEFAULT
from omlzoo.errors import notice
from omlzoo.evaluation.findings import Finding
from omlzoo.evaluation.probes import Probe, probe_mean
from omlzoo.evaluation.report import Report
from omlzoo.evaluation.right_rows import Rule, measured, own_ranking
from omlzoo.evaluation.trivial_queries import select_rows
from omlzoo.metrics.ranking import averages
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.building import build_model

__all__ = ["colour_histogram", "picture_baselines", "random_weights", "raw_pixels", "with_baselines"]

SIDE = 16  # pixels of a picture as one sees it from far away
LEVELS = 8  # of each colour
EASY = 0.8  # cmc@1 of what needs no training from which a table is said to be easy
ADAPTED = 256  # pictures from which batch normalisation learns its statistics


def raw_pixels(image: Image.Image) -> np.ndarray:
    """The picture of 16 x 16 pixels as (768,) float32, from 0 to 1.

    Args:
        image: A PIL image of mode RGB.
    """
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(np.asarray(small, dtype=np.float32).ravel() / 255)


def colour_histogram(image: Image.Image) -> np.ndarray:
    """The square roots of the shares of 8 x 8 x 8 colours as (512,) float32, of L2 norm 1.

    Euclidean distances of these are Hellinger distances of the histograms.

    Args:
        image: A PIL image of mode RGB.
    """
    levels = np.asarray(image) // (256 // LEVELS)
    codes = (levels[..., 0].astype(np.intp) * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    counts = np.bincount(codes.ravel(), minlength=LEVELS**3)
    return np.asarray(np.sqrt(counts / counts.sum()), dtype=np.float32)


def picture_baselines(table: Table, options: ComputeOptions = DEFAULT) -> dict[str, np.ndarray]:
    """Vectors by name that need no model: "raw pixels" (N, 768) and "colour histogram" (N, 512), float32.

    Args:
        table: N pictures, all of which can be read.
        options: How images are decoded, and by how many threads.

    Raises:
        BadImage: A picture can no longer be read.
    """
    with ThreadPoolExecutor(options.workers) as pool:
        pairs = list(pool.map(partial(_both, icc=options.icc), table.files(), table.boxes()))
    return {
        "raw pixels": np.stack([pixels for pixels, _ in pairs]),
        "colour histogram": np.stack([histogram for _, histogram in pairs]),
    }


def random_weights(model: Extractor, table: Table, options: ComputeOptions, seed: int = 0) -> np.ndarray:
    """Vectors (N, dim) float32 of the model's architecture with random weights.

    Batch normalisation learns its statistics from up to 256 of the pictures: without them it would pass on nothing.

    Args:
        model: The model, which has an entry.
        table: N pictures, all of which can be read.
        options: How images are decoded and the model computes.
        seed: Of the weights.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bare = build_model(model.entry, blank=False)
    bare.weights = model.weights
    _adapt(bare, table, options.icc)
    return embed_table(bare.eval(), table, options=options, progress=False).vectors


def _adapt(model: Extractor, table: Table, icc: Profiles) -> None:
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    model.eval()
    for part in norms:
        part.reset_running_stats()
        part.momentum = None  # the mean over all batches
        part.train()
    chosen = np.unique(np.linspace(0, len(table) - 1, min(ADAPTED, len(table))).astype(int))
    files, boxes = table.files(), table.boxes()
    transform = Transform(model.entry.preprocess)
    with torch.no_grad():
        for batch in _batches([(files[row], boxes[row]) for row in chosen]):
            model(torch.stack([transform(to_rgb(file, box, icc=icc)) for file, box in batch]))


def _batches(jobs: Sequence[tuple[Path, Box | None]], size: int = 32) -> Iterator[Sequence[tuple[Path, Box | None]]]:
    count = max(1, len(jobs) // size)
    for part in np.array_split(np.arange(len(jobs)), count):  # none of one picture alone, which has no variance
        yield [jobs[number] for number in part]


def _both(file: Path, box: Box | None, icc: Profiles) -> tuple[np.ndarray, np.ndarray]:
    image = to_rgb(file, box, icc=icc)
    return raw_pixels(image), colour_histogram(image)


def with_baselines(report: Report, options: ComputeOptions, probe: Probe | None = None, rule: Rule = None) -> Report:
    """The report with the metrics of vectors that need no training, on the same rows.

    Args:
        report: A report with its embeddings and ranking.
        options: How pictures are decoded and models compute.
        probe: The probe that the report has.
        rule: What is right in place of equal labels.
    """
    good, ranking = report.embeddings, report.ranking
    if good is None or ranking is None:
        return report
    rows = good.pictures()
    if (
        options.precision in ("auto", "int8") or options.runtime == "auto"
    ):  # as the report's: nothing is rehearsed with other weights
        precision: Precision = "bf16" if good.record.precision == "bf16" else "fp32"
        options = replace(options, precision=precision, runtime="torch")
    vectors = picture_baselines(rows, options)
    if isinstance(good.model, Extractor):
        vectors["random weights"] = random_weights(good.model, rows, options)
    else:
        notice("no baseline of random weights: the embeddings do not hold their model; give the model and the table")
    selection = select_rows(good.table)
    names = list(ranking.values)
    ranks = {kind: [int(name.partition("@")[2]) for name in names if re.fullmatch(rf"{kind}@[0-9]+", name)]
             for kind in ("cmc", "precision", "map")}  # fmt: skip
    found = {}
    for name, values in vectors.items():
        ranking = own_ranking(measured(values, good.table, selection, {**ranks, "hits": (), "ndcg": ()}, rule))
        found[name] = {metric: value for metric, value in averages(ranking).items() if metric in names}
        found[name] |= probe_mean(report, values, probe) if probe else {}
    easy = _find_easy(report.metrics, found)
    for finding in easy:
        notice(finding.text)
    return replace(report, baselines=found, findings=(*report.findings, *easy))


def _find_easy(metrics: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """A finding where a vector that needs no training does as well as the model, or well."""
    name = next((name for name in metrics if name.startswith("cmc@")), None)
    best = max(baselines, key=lambda each: baselines[each][name]) if name else None
    if name is None or best is None:
        return []
    value, own = baselines[best][name], metrics[name]
    if value >= own:
        text = f"the table does not need this model: {best} reach {name} {value:.3f}, the model {own:.3f}"
    elif value >= EASY:
        text = f"the table is easy: {best} reach {name} {value:.3f} without any training, the model {own:.3f}"
    else:
        return []
    return [Finding("easy", text, 1)]
