"""omlzoo migrate."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from omlzoo.cli.computing import DEFAULT, Computing
from omlzoo.cli.index_command import option_values
from omlzoo.cli.output import print_line
from omlzoo.cli.trusting import Trusted, allow
from omlzoo.errors import OmlzooError, notice

if TYPE_CHECKING:
    from omlzoo.checkpoints.calibration import Calibration
    from omlzoo.embedding.embeddings import Embeddings

__all__ = ["calibrated_anew", "migrate_command", "targets_of"]

RATES = {"far": "far", "frr": "frr", "unknown": "unknown"}  # names of cut-points before their "="
WEIGHT = re.compile(r"f(\d[\d.e+-]*)")
RIGHT = re.compile(r"at least (\S+) of accepted first hits are right")
UNKNOWN = re.compile(r"rather known than unknown where (\S+) of queries are unknown")


def migrate_command(
    index: Path,
    *,
    to: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    option: dict[str, str] | None = None,
    overwrite: bool = False,
    root: Path | None = None,
    remote: tuple[str, ...] = (),
    options: Computing = DEFAULT,
    trust: Trusted = None,
) -> None:
    """Make the index of another model over the same pictures. The old one serves until the new one is whole.

    A run that was stopped and is started again goes on. How many of the nearest pictures are the same by both models
    is said. Where the old index is calibrated, so is the new one, on those of its pictures that have labels.

    Parameters
    ----------
    index
        A folder that `omlzoo index` wrote.
    to
        The new model: a checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    out
        The folder to write; with --overwrite it may be the old one, which is replaced as a whole at the end.
    option
        Options of the backend in place of the old index's; a store needs a place of its own: --option.collection NEW.
    overwrite
        Replace an index that OUT holds.
    root
        Where the pictures are now, if not where the index says.
    remote
        Scheme and host, or bucket, of addresses among the paths that are followed: --remote s3://shop-photos.
    """
    allow(trust)
    from omlzoo.index.migration import migrate

    done = migrate(
        index, to, out, root=root, remote=remote, calibrated=calibrated_anew, computing=options, overwrite=overwrite,
        **option_values(option),
    )  # fmt: skip
    made = done.index
    known = "calibrated" if made.calibration else "not calibrated"
    print_line(
        f"{out}: {made.size} rows, {made.backend}, {made.similarity}, {known}, by {made.embeddings.record.model}"
    )
    if done.queries:
        print_line(
            f"of the {done.k} nearest {done.common:.1%} are those of {done.before}, on {done.queries} rows of its own"
        )


def calibrated_anew(embeddings: "Embeddings", old: "Calibration") -> "Calibration | None":
    """A calibration with the thresholds of the old one, on the rows that have labels; None where that cannot be.

    Args:
        embeddings: The rows by the new model; the validation rows among them where some are.
        old: The calibration by the old model.
    """
    from omlzoo.evaluation.calibration_fit import calibrate

    rows = embeddings.rows(embeddings.good)
    frame = rows.table
    if "label" in frame:
        held_out = np.asarray(frame["split"] == "validation") if "split" in frame else np.zeros(len(frame), dtype=bool)
        keep = np.asarray(frame["label"].notna() & (frame["label"] != "")) & (held_out | (not held_out.any()))
        rows = rows.rows(keep)
        both = {name: True for name in ("is_query", "is_gallery") if name not in frame}
        rows = replace(rows, table=rows.table.assign(**both))
        if not held_out.any():
            notice("the calibration is redone on all rows with a label, as none is of split validation; where the new "
                   "model was trained on some, its thresholds are too strict")  # fmt: skip
    try:
        made = calibrate(rows, save=False, **targets_of(old))
    except OmlzooError as error:
        notice(f"the calibration of the old index could not be redone ({error}); the new index has none of it")
        return None
    return replace(made, table=old.table)


def targets_of(old: "Calibration") -> dict[str, Any]:
    """What was asked of a calibration, from the names and rules of its thresholds.

    Args:
        old: The calibration.
    """
    found: dict[str, Any] = {"far": [], "frr": [], "unknown": [], "beta": [], "names": {}}
    for point in old.cut_points:
        kind, _, value = point.name.partition("=")
        if kind in RATES and value:
            found[RATES[kind]].append(float(value))
        elif weight := WEIGHT.fullmatch(point.name):
            found["beta"].append(float(weight[1]))
        elif share := RIGHT.fullmatch(point.rule):
            found["names"][point.name] = float(share[1])
        elif prior := UNKNOWN.fullmatch(point.rule):
            found["prior"] = float(prior[1])
    return found
