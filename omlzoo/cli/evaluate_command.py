"""omlzoo evaluate."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from omlzoo.cli.output import print_report

__all__ = ["evaluate_command"]


def evaluate_command(
    model: str,
    table: Path,
    *,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    html: Path | None = None,
    root: Path | None = None,
    batch_size: int = 32,
    against: str | None = None,
    fast: bool = False,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    workers: int | None = None,
) -> None:
    """Measure a model on the validation rows of a table.

    Parameters
    ----------
    model
        A checkpoint of the zoo, a run folder, or hf-hub:org/repo.
    table
        A csv or parquet file, or a folder with a sub-folder per label.
    json_file
        Also write the report as JSON.
    html
        Also write the report as a page with the best and worst queries.
    root
        Where relative paths start; the table's folder by default.
    against
        Another model, to compare with on the same queries.
    fast
        Only the ranking's metrics: no pairs, whole lists, intervals, or findings.
    batch_size
        Pictures that go through the model at once.
    precision
        fp32, bf16, or auto: bf16 where the hardware multiplies it.
    workers
        Threads; as many as there are cores by default.
    """
    from omlzoo.evaluation.evaluation import evaluate

    report = evaluate(
        model, table, root=root, batch_size=batch_size, precision=precision, workers=workers,
        against=against, thorough=not fast,
    )  # fmt: skip
    if json_file is not None:
        report.save(json_file)
    if html is not None:
        report.html(html)
    print_report(report)
