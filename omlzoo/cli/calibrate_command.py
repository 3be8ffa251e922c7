"""omlzoo calibrate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.checkpoints.calibration import CutPoint
from omlzoo.cli.computing import DEFAULT, Computing
from omlzoo.cli.output import print_columns, print_json, print_line
from omlzoo.cli.trusting import Trusted, allow

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
    trust: Trusted = None,
) -> None:
    """Find thresholds on the validation rows of a table and store them with the model.

    The entry of a folder is rewritten with them; an index that is built then knows them: `omlzoo search INDEX PICTURE
    --threshold far=1e-3`.

    Parameters
    ----------
    model
        A run folder, or a checkpoint of the zoo or hf-hub:org/repo together with --out.
    table
        A csv or parquet file, or a folder with a sub-folder per label; its validation labels should not be among
        those that the model was trained on.
    far
        False accept rates (FAR): shares of negative pairs that may be accepted [default: 0.001 0.01].
    frr
        False reject rates (1 - TAR): shares of positive pairs that may be rejected [default: 0.05].
    beta
        Weights of recall against precision in the F-measures whose best thresholds are found [default: 1].
    unknown
        Shares of queries of unknown labels that may be accepted [default: 0.01 0.1].
    names
        Thresholds of your own: --name.likely 0.95 asks that 95 % of accepted first hits are right.
    prior
        Expected share of unknown queries, from 0 to 1.
    out
        A JSON file to write, for `omlzoo index --calibration`.
    json
        Print one JSON document.
    html
        Also write a page with the curves.
    root
        Where relative paths start; the table's folder by default.
    """
    allow(trust)
    from omlzoo.errors import BadInput
    from omlzoo.evaluation.calibration_fit import calibrate

    if out is None and not Path(model).is_dir() and not json:
        raise BadInput(f"{model} is no folder whose entry could be rewritten; add --out FILE.json")
    targets = {"far": far, "frr": frr, "beta": beta, "unknown": unknown, "names": names}
    settings: dict[str, Any] = {name: value for name, value in targets.items() if value is not None}
    calibration = calibrate(model, table, prior=prior, root=root, **settings, **asdict(options))
    if out is not None:
        calibration.save(out)
    if html is not None:
        from omlzoo.evaluation.calibration_page import write_page

        write_page(calibration, html)
    if json:
        print_json(_plain(calibration.to_json()))
        return
    rows = [_row(each) for each in calibration.cut_points]
    print_columns(["threshold", "distance", "shares of", "wrongly accepted (FAR)", "rightly accepted (TAR)"], rows)
    pairs = f"{calibration.same_pairs} positive and {calibration.other_pairs} negative pairs"
    print_line(f"\n{calibration.queries} queries, {calibration.labels} labels, {pairs}; {calibration.table}")


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
