"""omlzoo calibrate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.checkpoints.calibration import CutPoint
from omlzoo.cli.computing import DEFAULT, Computing
from omlzoo.cli.output import print_columns, print_json

__all__ = ["calibrate_command"]


def calibrate_command(
    model: str,
    table: Path,
    *,
    far: list[float] | None = None,
    frr: list[float] | None = None,
    beta: list[float] | None = None,
    unknown: list[float] | None = None,
    names: Annotated[dict[str, float] | None, Parameter(name="--name")] = None,
    prior: float = 0.5,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    json: bool = False,
    html: Path | None = None,
    root: Path | None = None,
    options: Computing = DEFAULT,
) -> None:
    """Find thresholds on the validation rows of a table and store them with the model.

    The entry of a folder is rewritten with them; an index that is built then knows them: `omlzoo search INDEX PICTURE
    --threshold far=1e-3`.

    Parameters
    ----------
    model
        A run folder, or a checkpoint of the zoo or hf-hub:org/repo together with --out.
    table
        A csv or parquet file, or a folder with a sub-folder per label; the model should not know its validation labels.
    far
        Shares of other-label pairs that may be accepted [default: 0.001 0.01].
    frr
        Shares of same-label pairs that may be rejected [default: 0.05].
    beta
        F-measures to find the best threshold of [default: 1].
    unknown
        Shares of queries of unknown labels that may be accepted [default: 0.01 0.1].
    names
        Thresholds of your own: --name.likely 0.95 asks that 95 % of accepted first hits are right.
    prior
        Share of unknown queries that is expected.
    out
        A JSON file to write, for `omlzoo index --calibration`.
    json
        Print one JSON document.
    html
        Also write a page with the curves.
    root
        Where relative paths start; the table's folder by default.
    """
    from omlzoo.errors import BadInput
    from omlzoo.evaluation.calibration_fit import calibrate

    if out is None and not Path(model).is_dir() and not json:
        raise BadInput(f"{model} is no folder whose entry could be rewritten; add --out FILE.json")
    given = {"far": far, "frr": frr, "beta": beta, "unknown": unknown, "names": names}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    found = calibrate(model, table, prior=prior, root=root, **settings, **asdict(options))
    if out is not None:
        found.save(out)
    if html is not None:
        from omlzoo.evaluation.calibration_page import write_page

        write_page(found, html)
    if json:
        print_json(_plain(found.to_json()))
        return
    rows = [_row(each) for each in found.cut_points]
    print_columns(["threshold", "distance", "shares of", "wrongly accepted", "rightly accepted"], rows)
    pairs = f"{found.same_pairs} pairs of one label and {found.other_pairs} of two"
    print(f"\n{found.queries} queries, {found.labels} labels, {pairs}; {found.table}")


def _row(point: CutPoint) -> list[str]:
    value = f"{point.value:.4f}" + " (energy)" * (point.statistic == "energy")
    return [
        point.name,
        value,
        point.of,
        _rate(point.wrong, point.wrong_interval),
        _rate(point.right, point.right_interval),
    ]


def _rate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.4g} ({interval[0]:.2g} to {interval[1]:.2g})"


def _plain(text: str) -> object:
    import json as parser

    return parser.loads(text)
