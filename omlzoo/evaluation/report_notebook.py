"""A report in a notebook: its numbers, its findings, and the queries that went worst with their hits."""

from collections.abc import Sequence
from html import escape

import numpy as np

from omlzoo.embedding.embeddings import Embeddings
from omlzoo.evaluation.report_text import Measured, report_rows
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.pages.labels import readable
from omlzoo.pages.notebook import Tile, rows_html, tiles_html

__all__ = ["report_html"]

QUERIES, HITS = 4, 6  # that are shown


def report_html(
    title: str,
    measured: Measured,
    findings: Sequence[str],
    embeddings: Embeddings | None,
    ranking: RetrievalPerQuery | None,
) -> str:
    """The HTML of a report: a table, findings, and at most 28 pictures.

    Args:
        title: What was measured.
        measured: The numbers.
        findings: What should be looked at.
        embeddings: Embeddings of the ranked rows; without them there are no pictures.
        ranking: Values and first hits of each query; without it there are no pictures.
    """
    header, rows = report_rows(measured)
    found = "".join(f"<li>{escape(readable(text))}</li>" for text in findings)
    worst = "" if embeddings is None or ranking is None else _worst(embeddings, ranking)
    return rows_html(header, rows, title) + (f"<ul>{found}</ul>" if found else "") + worst


def _worst(embeddings: Embeddings, ranking: RetrievalPerQuery) -> str:
    if not len(ranking.queries):
        return ""
    table = embeddings.pictures()
    files, boxes, labels = table.files(), table.boxes(), table.frame["label"].astype(str).to_numpy()
    lines = []
    for query in np.argsort(ranking.values["map@r"], kind="stable")[:QUERIES]:
        row = int(ranking.queries[query])
        said = f"query, map@r {ranking.values['map@r'][query]:.2f}"
        tiles = [Tile(files[row], labels[row], said, boxes[row])]
        tiles += [
            Tile(files[hit], labels[hit], f"{-score:.3f} away", boxes[hit], bool(labels[hit] == labels[row]))
            for hit, score in zip(ranking.first[query][:HITS], ranking.scores[query][:HITS], strict=True)
            if hit >= 0
        ]
        lines.append(f"<div>{tiles_html(tiles)}</div>")
    return "<div><b>queries that went worst</b></div>" + "".join(lines)
