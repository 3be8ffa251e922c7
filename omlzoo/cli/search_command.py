"""omlzoo search."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from omlzoo.cli.output import print_columns, print_json, print_line
from omlzoo.cli.trusting import Trusted, allow
from omlzoo.errors import BadInput

__all__ = ["place_of", "search_command"]


def search_command(
    index: Path,
    *queries: str,
    k: Annotated[int, Parameter(name=["-k", "--k"])] = 10,
    json: bool = False,
    html: Path | None = None,
    exclude_self: bool = False,
    threshold: str | None = None,
    where: dict[str, str] | None = None,
    text: bool | None = None,
    rerank: str | None = None,
    candidates: int = 100,
    model: str | None = None,
    root: Path | None = None,
    combine: Literal["average", "any", "all"] | None = None,
    negatives: tuple[str, ...] = (),
    distinct: str | None = None,
    runtime: Literal["torch", "onnx"] | None = None,
    trust: Trusted = None,
) -> None:
    """Find the nearest pictures of an index, for pictures or for words.

    Parameters
    ----------
    index
        A folder that `omlzoo index` wrote.
    queries
        Pictures, or one folder of them; or texts, such as "red trainers with white sole", for a model with a text
        tower.
    k
        Number of hits for each query.
    json
        Print one JSON document.
    html
        Also write one page with the pictures.
    exclude_self
        Leave a query's own file out of its hits.
    threshold
        The least score of a hit that is accepted, or a name of the calibration such as far=1e-3.
    where
        Only rows whose column has that value: --where.category boot.
    text
        Whether queries are texts; by default those that name no file, end like no picture and have no slash.
    rerank
        Put the first hits in another order, by comparing them with each other: reciprocal, expansion or
        average_expansion. Scores are then the method's, and no calibration holds for them.
    candidates
        First hits that are compared with each other for --rerank, at most 1,000.
    model
        Where the model that made the vectors lies now, where it was moved.
    root
        Where the pictures of the index lie now, where they were moved.
    combine
        Take all queries, pictures and texts, as examples of one thing: ask for the mean of their vectors, or give a row
        the best or the least of its scores for each.
    negatives
        Pictures or texts that the hits shall be unlike: --negatives b.jpg --negatives "with laces"; --combine average
        unless another is given.
    distinct
        A column of which each value is found once: --distinct path where pictures have several parts.
    runtime
        torch, or onnx: ONNX Runtime, which keeps the model's exported file, so that later searches with a few pictures
        need no torch and start several times faster; by default such a file is taken where there is one, else torch.
    """
    allow(trust)
    if not queries:
        raise BadInput("give at least one picture, or one text, to search for")
    from omlzoo.index.build import open_index

    hits = open_index(index, model=model, root=root, runtime=runtime).search(
        _asked(queries), k, where=where, exclude_self=exclude_self, threshold=_number(threshold), text=text,
        rerank=rerank, candidates=candidates, combine=combine, negatives=list(negatives) or None, distinct=distinct,
    )  # fmt: skip
    _check_read(hits.queries["error"].tolist())
    if html is not None:
        hits.html(html)
    table = hits.table()
    paths, errors = hits.queries["path"], hits.queries["error"]
    if json:
        print_json([
            {"query": paths.iloc[i], "error": errors.iloc[i] or None,
             **({} if hits.is_known is None else {"is_known": bool(hits.is_known[i])}),
             "hits": table[table["query"] == i].drop(columns="query").to_dict("records")}
            for i in range(len(paths))
        ])  # fmt: skip
        return
    rows = [
        [
            str(paths.iloc[hit["query"]]),
            str(hit["rank"]),
            f"{hit['score']:.4f}" + " rejected" * (hit.get("accepted") is False),
            str(hit.get("label", "")),
            hit["path"] + place_of(hit),
        ]
        for hit in table.to_dict("records")
    ]
    print_columns(["query", "rank", "score", "label", "path"], rows)
    for number in [] if hits.is_known is None else (~hits.is_known).nonzero()[0]:
        print_line(f"{paths.iloc[number]}: unknown")


def _asked(queries: Sequence[str]) -> str | list[str]:
    """The queries, or the one folder of them."""
    folders = [query for query in queries if Path(query).is_dir()]
    if folders and len(queries) > 1:
        raise BadInput(f"{folders[0]} is a folder; search for one folder, or for pictures")
    return folders[0] if folders else list(queries)


def _check_read(errors: Sequence[str]) -> None:
    """Refuse to answer where no query could be read."""
    if all(errors):
        unread = "the picture could not" if len(errors) == 1 else f"none of the {len(errors)} pictures could"
        raise BadInput(f"{unread} be read: {errors[0]}")


def place_of(hit: Mapping[Any, Any]) -> str:
    """The part of a picture that a hit is, as " [left,top,right,bottom]"; empty for a whole picture."""
    sides = [hit.get(name) for name in ("x_1", "y_1", "x_2", "y_2")]
    numbers = [str(int(side)) for side in sides if isinstance(side, int | float) and side == side]
    return f" [{','.join(numbers)}]" if len(numbers) == len(sides) else ""


def _number(threshold: str | None) -> float | str | None:
    try:
        return None if threshold is None else float(threshold)
    except ValueError:
        return threshold
