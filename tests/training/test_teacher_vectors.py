"""A teacher's vectors: those of omlzoo.embed, computed once for each picture, whatever table or student asks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.data import table
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.training import Recipe
from omlzoo.training.teacher_vectors import TeacherVectors


def test_they_are_computed_once_and_are_those_of_embed(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    teacher = toy("vit_toy", seed=5)
    whole = table.read(drawn, "train")
    some = whole.rows(np.arange(len(whole)) % 2 == 0)
    cpu = torch.device("cpu")
    TeacherVectors.of(teacher, some, Recipe(), cpu, False)
    jobs: list[int] = []
    found = Pipeline.batches

    def counted(self: Pipeline, given: list[object]) -> object:
        jobs.append(len(given))
        return found(self, given)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "batches", counted)
    with caplog.at_level("INFO", "omlzoo"):
        vectors = TeacherVectors.of(teacher, whole, Recipe(), cpu, False)
    assert "80 of 160 vectors of the teacher are in" in caplog.text
    assert sum(jobs) == 80, "the other half alone"
    expected = omlzoo.embed(teacher, drawn, precision="fp32", device="cpu", progress=False)
    np.testing.assert_allclose(vectors.vectors(whole)[0], expected.vectors, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(vectors.vectors(some)[0], vectors.vectors(whole)[0][::2])
    other = TeacherVectors.of(toy("vit_toy", seed=6), some, Recipe(), cpu, False)
    assert other.folder != vectors.folder, "another teacher's lie elsewhere"
    assert vectors.embeddings(some).record.dim == teacher.dim
