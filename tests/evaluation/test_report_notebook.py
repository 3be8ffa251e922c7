"""A report in a notebook shows its numbers, its findings, and at most 28 pictures."""

from dataclasses import replace

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.evaluation.findings import Finding
from omlzoo.evaluation.report_notebook import HITS, QUERIES


def test_numbers_findings_and_pictures(drawn_embeddings: Embeddings) -> None:
    report = omlzoo.evaluate(drawn_embeddings)
    hostile = Finding("x", "<script>alert(1)</script>", 1, ())
    html = replace(report, findings=(hostile,))._repr_html_()
    assert html.count("data:image/jpeg;base64,") == QUERIES * (1 + HITS)
    assert "cmc@1" in html
    assert f"{report.metrics['cmc@1']:.4f}" in html
    assert "<script" not in html
    assert len(html) < 400_000
    bare = replace(report, embeddings=None)._repr_html_()
    assert "data:image" not in bare
    assert "cmc@1" in bare
