"""Where calibrated models are kept."""

from pathlib import Path

import torch
from toys import toy

from omlzoo.embedding.engines._int8_file import int8_digest, int8_file


def test_each_model_has_its_own_place() -> None:
    model = toy("vit_toy")
    before = int8_file(model)
    assert before == int8_file(toy("vit_toy"))
    assert before != int8_file(toy("vit_toy", normalize=True))
    with torch.no_grad():
        next(model.parameters()).add_(1)
    assert int8_file(model) != before


def test_it_is_told_apart_by_both_its_files(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_text("a")
    assert int8_digest(path) is None, "its numbers are missing"
    path.with_suffix(".bin").write_bytes(b"1")
    first = int8_digest(path)
    path.with_suffix(".bin").write_bytes(b"2")
    second = int8_digest(path)
    path.write_text("b")
    assert len({first, second, int8_digest(path)}) == 3
    assert first is not None
    assert len(first) == 64
