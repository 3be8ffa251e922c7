"""calibrate(): thresholds and probabilities for the distances of a model, on labels that it was not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from omlzoo import catalog
from omlzoo.checkpoints.calibration import Calibration, CutPoint
from omlzoo.checkpoints.folder import open_entry, rewrite_entry
from omlzoo.data import table as tables
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.extraction import embed_table
from omlzoo.embedding.options import ComputeOptions, Precision, Profiles, Runtime
from omlzoo.errors import BadInput, notice
from omlzoo.evaluation.label_intervals import share_intervals
from omlzoo.evaluation.open_set import at_share, detection, likelihood_ratio, pareto_tail, weibull_tail
from omlzoo.evaluation.probability import fit_probability
from omlzoo.evaluation.query_hits import QueryHits
from omlzoo.evaluation.trivial_queries import select_rows
from omlzoo.metrics._pair_curve import PairCurve, pair_curve, pairs_by_label
from omlzoo.metrics._selection import Selection
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.zoo.registry import open_model

__all__ = ["calibrate"]


def calibrate(
    model: Extractor | str | Path | Embeddings,
    table: str | Path | pd.DataFrame | None = None,
    *,
    far: Sequence[float] = (1e-3, 1e-2),
    frr: Sequence[float] = (0.05,),
    beta: Sequence[float] = (1.0,),
    names: Mapping[str, float] | None = None,
    unknown: Sequence[float] = (0.01, 0.1),
    prior: float = 0.5,
    save: bool = True,
    root: str | Path | None = None,
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    fast: bool = False,
    runtime: Runtime = "torch",
    icc: Profiles = "ignore",
    progress: bool = True,
) -> Calibration:
    """Find thresholds for targets, probabilities, and when a query is unknown, on the validation rows of a table.

    The cut-points below are each stored with the shares that they accept on these rows, and with 95 % bootstrap
    intervals over labels:

    - "far=0.001": at most that share of negative pairs is accepted (the false accept rate, FAR); "frr=0.05": at most
      that share of positive pairs is rejected (the false reject rate, FRR), so the true accept rate (TAR) is at least
      0.95; "f1": the best F-measure over all pairs.
    - a name of your own: of the first hits that are accepted, at least that share is right.
    - "unknown=0.01", "energy=0.01", "pareto=0.01": at most that share of queries of unknown labels are accepted, by
      the first hit's distance, by the energy of the ten nearest, and by a fitted tail that goes on where the data ends.
    - "weibull=0.05" for each ``frr``: that share of right first hits is rejected, by a fit of their distances.
    - "ratio": rather known than unknown, by two densities, at the prior.

    Args:
        model: An extractor, what ``omlzoo.get_model`` opens, or Embeddings with the columns of the table. Of a folder
            the entry is rewritten with the calibration.
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label; not with Embeddings. Labels of
            its validation rows should not be among those that were trained on.
        far: False accept rates (FAR), above 0 and below 1.
        frr: False reject rates (FRR), above 0 and below 1.
        beta: Weights of recall against precision in F-measures, above 0.
        names: Names and shares of right first hits, such as {"very likely": 0.99}.
        unknown: Shares of unknown queries that are accepted, from 0 to 1.
        prior: Expected share of unknown queries, from 0 to 1, for "ratio".
        save: Whether a folder's entry is rewritten.
        root: Where relative paths start; the table's folder by default.
        batch_size: As in ``omlzoo.embed``, like the others below it.
        precision: "fp32", "bf16", "int8" or "auto".
        workers: Threads.
        device: "cpu", "cuda" or "auto".
        fast: Decode large JPEGs at a smaller size; thresholds hold for an index that was made in the same way.
        runtime: "torch", "onnx", "openvino" or "auto".
        icc: "ignore" or "srgb".
        progress: Draw a bar where standard error is a terminal.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: A target cannot be met or measured with these rows.
        MissingExtra: scipy is not installed.
    """
    catalog.optional("scipy.optimize", "calibration")  # before the pictures are embedded, not after
    options = ComputeOptions(batch_size, precision, workers, device, fast, runtime, icc)
    embeddings, name = _embedded(model, table, root, options, progress)
    good = embeddings.rows(embeddings.good)
    frame, vectors, record = good.table, torch.from_numpy(good.vectors), embeddings.record
    chosen = select_rows(frame)
    say_if_long("calibration", len(chosen.queries), len(chosen.gallery), vectors.shape[1])
    curve = pair_curve(vectors, chosen)
    pair_cut_points = _of_pairs(curve, far, frr, beta)
    by_label = _rates_by_label(vectors, chosen, [value for _, _, value in pair_cut_points])
    held = _with_intervals(by_label, [curve.within(value) for _, _, value in pair_cut_points])
    points = [
        CutPoint(name, rule, "distance", value, "pairs", *rates)
        for (name, rule, value), rates in zip(pair_cut_points, held, strict=True)
    ]
    hits = QueryHits(vectors, chosen)
    points += _of_queries(hits, names or {}, unknown, frr, prior)
    open_set = {
        f"{metric} {statistic}": value
        for statistic, first in (("distance", hits.first), ("energy", hits.energies))
        for metric, value in detection(first, unknown).items()
    }
    result = Calibration(
        table=name, labels=int(frame["label"].nunique()), queries=len(hits.first.known),
        same_pairs=int(curve.same[-1]), other_pairs=int(curve.other[-1]), sha256=record.sha256,
        preprocess_hash=record.preprocess_hash, normalized=record.normalized, cut_points=tuple(points),
        probability=fit_probability(hits.distances, hits.labels_right, hits.query_labels), energy=hits.how,
        open_set=open_set,
    )  # fmt: skip
    if save and isinstance(model, str | Path) and Path(model).is_dir():
        rewrite_entry(replace(open_entry(model), calibration=result), model)
    return result


def _of_pairs(
    curve: PairCurve, far: Sequence[float], frr: Sequence[float], beta: Sequence[float]
) -> list[tuple[str, str, float]]:
    """Name, rule and distance of the cut-points over pairs."""
    cut_points = []
    for rate in far:
        if not 0 < rate < 1 or rate * int(curve.other[-1]) < 1:
            least = 1 / int(curve.other[-1])
            raise BadInput(
                f"far is {rate:g}; with {int(curve.other[-1])} pairs of two labels it can be {least:.1g} to 1"
            )
        position = int(np.searchsorted(curve.wrongly_accepted, rate * (1 + 1e-12), side="right")) - 1
        cut_points.append(
            (f"far={rate:g}", f"at most {rate:g} of other-label pairs are accepted", curve.after(position))
        )
    for rate in frr:
        if not 0 < rate < 1:
            raise BadInput(f"frr is {rate:g}; it is a share, above 0 and below 1")
        position = int(np.searchsorted(curve.accepted, 1 - rate - 1e-12))
        cut_points.append(
            (f"frr={rate:g}", f"at most {rate:g} of same-label pairs are rejected", curve.after(position))
        )
    for weight in beta:
        if not weight > 0:
            raise BadInput(f"beta is {weight}; it must be above 0")
        precision = curve.same / np.maximum(1, curve.same + curve.other)
        below = np.maximum(1e-300, weight**2 * precision + curve.accepted)
        position = int(np.argmax((1 + weight**2) * precision * curve.accepted / below))
        cut_points.append((f"f{weight:g}", f"best F-measure over all pairs, beta {weight:g}", curve.after(position)))
    return cut_points


def _of_queries(
    hits: QueryHits, names: Mapping[str, float], unknown: Sequence[float], frr: Sequence[float], prior: float
) -> list[CutPoint]:
    first = hits.first
    rules: list[tuple[str, str, Literal["distance", "energy"], float]] = []
    order = np.argsort(first.known, kind="stable")
    shares = first.right[order].cumsum() / np.arange(1, len(order) + 1)
    for name, share in names.items():
        enough = np.flatnonzero((shares >= share) & np.r_[np.diff(first.known[order]) > 0, True])
        if not len(enough):
            raise BadInput(f"{name} asks that {share:g} of the accepted first hits are right; at best "
                           f"{shares.max():.4f} are; ask for less")  # fmt: skip
        last = enough[-1]
        after = first.known[order][min(last + 1, len(order) - 1)]
        rules.append((name, f"at least {share:g} of accepted first hits are right", "distance",
                      float(first.known[order][last] + after) / 2))  # fmt: skip
    fits: list[tuple[str, str, float | None]] = []
    for rate in unknown:
        sentence = f"at most {rate:g} of queries of unknown labels are accepted"
        rules.append((f"unknown={rate:g}", sentence, "distance", at_share(first.unknown, rate)))
        rules.append((f"energy={rate:g}", sentence + ", by energy", "energy", at_share(hits.energies.unknown, rate)))
        fits.append((f"pareto={rate:g}", sentence + ", by a Pareto tail", pareto_tail(first.unknown, rate)))
    for rate in frr:
        sentence = f"{rate:g} of right first hits are rejected, by a Weibull fit"
        fits.append((f"weibull={rate:g}", sentence, weibull_tail(first.known[first.right], rate)))
    rules += [(name, sentence, "distance", value) for name, sentence, value in fits if value is not None]
    left_out = ", ".join(name for name, _, value in fits if value is None)
    if left_out:
        notice(f"{left_out}: left out, {len(first.known)} queries are too few for the fit")
    sentence = f"rather known than unknown where {prior:g} of queries are unknown"
    rules.append(("ratio", sentence, "distance", likelihood_ratio(first.known, first.unknown, prior)))
    codes = np.unique(hits.query_labels, return_inverse=True)[1]
    accepted = []
    for _, _, statistic, value in rules:
        of = first if statistic == "distance" else hits.energies
        accepted += [of.unknown <= value, of.right & (of.known <= value)]
    parts = [np.bincount(codes, each) for each in accepted]
    ends = share_intervals(parts, [np.bincount(codes)] * len(parts), [1.0] * len(parts))
    rates = [float(each.mean()) for each in accepted]
    return [
        CutPoint(name, rule, statistic, value, "queries", rates[at], ends[at], rates[at + 1], ends[at + 1])
        for at, (name, rule, statistic, value) in zip(range(0, len(parts), 2), rules, strict=True)
    ]


def _rates_by_label(
    vectors: torch.Tensor, chosen: Selection, distances: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positive and negative pairs (T, K + 1) of each label up to each distance, in the last column all; the order."""
    order = np.argsort(distances, kind="stable")
    rows = np.union1d(chosen.queries, chosen.gallery)
    codes = np.unique(chosen.labels[rows], return_inverse=True)[1]
    same, other = pairs_by_label(vectors[torch.from_numpy(rows)], codes, np.asarray(distances)[order])
    return same, other, np.argsort(order)


def _with_intervals(
    by_label: tuple[np.ndarray, np.ndarray, np.ndarray], rates: Sequence[tuple[float, float]]
) -> list[tuple[float, tuple[float, float], float, tuple[float, float]]]:
    """FAR and TAR with intervals, of each cut-point. A negative pair is of two labels: its deviation counts twice."""
    same, other, order = by_label
    parts = [counts[:, order[place]] for place in range(len(rates)) for counts in (other, same)]
    ends = share_intervals(parts, [other[:, -1], same[:, -1]] * len(rates), [2.0, 1.0] * len(rates)) if parts else []
    held = [
        (max(0.0, min(low, value)), min(1.0, max(high, value)))
        for (low, high), value in zip(ends, (each for right, wrong in rates for each in (wrong, right)), strict=True)
    ]
    return [(wrong, held[2 * place], right, held[2 * place + 1]) for place, (right, wrong) in enumerate(rates)]


def _embedded(
    model: Extractor | str | Path | Embeddings,
    table: str | Path | pd.DataFrame | None,
    root: str | Path | None,
    options: ComputeOptions,
    progress: bool,
) -> tuple[Embeddings, str]:
    if isinstance(model, Embeddings):
        if table is not None:
            raise BadInput("table is given together with embeddings; embeddings have their own rows, leave table out")
        missing = {"label", "is_query", "is_gallery"} - set(model.table.columns)
        if missing:
            raise BadInput(f"the embeddings lack the columns {', '.join(sorted(missing))}; embed a table that has them")
        return model, "embeddings"
    if table is None:
        raise BadInput("table is missing; give a csv, a parquet file, a DataFrame or a folder")
    read = tables.read(table, "evaluate", root)
    held_out = (read.frame["split"] == "validation").to_numpy()
    both = set(read.frame["label"][held_out]) & set(read.frame["label"][~held_out])
    if both:
        message = (
            f"{len(both)} labels of the validation rows are also training labels, such as {sorted(map(str, both))[0]}"
        )
        notice(f"{message}; thresholds for new labels will be too strict or too loose")
    rows = read.rows(held_out)
    return embed_table(open_model(model), rows, options=options, progress=progress), rows.name
