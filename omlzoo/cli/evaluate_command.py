"""omlzoo evaluate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from omlzoo.cli.computing import DEFAULT, Computing
from omlzoo.cli.output import print_report
from omlzoo.cli.trusting import Trusted, allow

__all__ = ["evaluate_command"]


def evaluate_command(
    model: str,
    table: str,
    *,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    html: Path | None = None,
    root: Path | None = None,
    remote: tuple[str, ...] = (),
    against: str | None = None,
    thorough: bool = True,
    baselines: bool = False,
    probe: Literal["knn", "linear"] | None = None,
    rerank: str | None = None,
    candidates: int = 100,
    queries: tuple[str, ...] = (),
    relevance: Path | None = None,
    separator: str | None = None,
    hierarchy: tuple[str, ...] = (),
    all: bool = False,
    options: Computing = DEFAULT,
    trust: Trusted = None,
) -> None:
    """Measure a model on the validation rows of a table.

    Parameters
    ----------
    model
        A checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    table
        A csv or parquet file, a folder with a sub-folder per label, a zip or tar archive, or an address of one.
    json_file
        Also write the report as JSON.
    html
        Also write the report as a page with the best and worst queries.
    root
        Where relative paths start; the table's folder by default.
    remote
        Scheme and host, or bucket, of addresses in the table that are followed.
    against
        Another model, to compare with on the same queries.
    thorough
        Also measure pairs, whole lists and intervals, and look for what is wrong with the rows.
    baselines
        Also measure raw pixels, a colour histogram and random weights on the same rows.
    probe
        Also measure how well labels can be read from the vectors: by the votes of the 20 nearest gallery rows, or by a
        logistic regression of the gallery rows. Where rows are query and gallery, in five folds by picture.
    queries
        Rows of that kind are the queries and all others the gallery: --queries style=openmoji. Given several times, of
        one column any value counts, and of several columns all must match.
    relevance
        A csv or parquet file of pairs, query,item,grade, that says what is right in place of equal labels: paths, and a
        number from 0 upwards or junk; or easy, hard and junk.
    separator
        What stands between the labels of a picture that has several: what shares one with the query is right.
    hierarchy
        A column whose values stand above the labels, such as category, or several, each above the one before; or a csv
        or parquet file with child,parent. Hits of a label near by count in part: hp@k.
    rerank
        Measure re-ranked lists, beside the same by distance: reciprocal, expansion or average_expansion.
    candidates
        First hits of each query that are compared with each other, for --rerank.
    all
        Print all metrics, not the first five.
    """
    allow(trust)
    from omlzoo.evaluation.evaluation import evaluate

    report = evaluate(
        model,
        table,
        root=root,
        remote=remote,
        against=against,
        thorough=thorough,
        baselines=baselines,
        probe=probe,
        rerank=rerank,
        candidates=candidates,
        queries=queries or None,
        relevance=relevance,
        separator=separator,
        hierarchy=hierarchy or None,
        **asdict(options),
    )
    if json_file is not None:
        report.save(json_file)
    if html is not None:
        report.html(html)
    print_report(report, all)
