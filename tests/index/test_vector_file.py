"""Vectors on disk: what is written is read, and no changed bit, page or size goes unseen."""

from pathlib import Path

import numpy as np
import pytest

from omlzoo.errors import BadInput
from omlzoo.index import vector_file as room
from omlzoo.index.vector_file import pages_digest, read_vectors, write_vectors


def test_rows_come_back_failed_ones_as_nan_and_removed_ones_as_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    good, removed = np.ones(50, dtype=bool), np.zeros(50, dtype=bool)
    good[[4, 40, 49]], removed[[40, 49]] = False, True
    for block in (1, 100, 1 << 22):
        monkeypatch.setattr(room, "BLOCK", block)
        write_vectors(tmp_path / "v.npy", vectors, good, removed)
        found = read_vectors(tmp_path / "v.npy", 50, 3)
        assert np.array_equal(found[good], vectors[good])
        assert np.isnan(found[4]).all()
        assert not found[[40, 49]].any()
    vectors[30, 1] = np.inf
    with pytest.raises(BadInput, match="row 30 has a vector that is not finite, and no error"):
        write_vectors(tmp_path / "v.npy", vectors, good, removed)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 40_000])
def test_the_digest_sees_every_change(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, content = tmp_path / "f", np.random.default_rng(0).bytes(size)
    path.write_bytes(content)
    wanted = pages_digest(path)
    for block in (4096, 8192, 1 << 22):
        monkeypatch.setattr(room, "BLOCK", block)
        assert pages_digest(path) == wanted, "whatever is read at a time"
    others = [content + b"\0", content[:-1], content + bytes(4096)] if size else [b"\0"]
    places = range(0, size, max(1, size // 7))
    others += [content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :] for at in places]
    if size > 8192:
        others.append(content[4096:8192] + content[:4096] + content[8192:])
    for other in others:
        path.write_bytes(other)
        assert pages_digest(path) != wanted


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    path.write_bytes(b"nothing of ours")
    with pytest.raises(BadInput, match="not a whole file of vectors"):
        read_vectors(path, 2, 3)
    for wrong in (
        np.zeros((2, 4), np.float32),
        np.zeros((2, 3)),
        np.zeros((3, 2), np.float32).T,
        np.zeros(6, np.float32),
    ):
        np.save(path, wrong)
        with pytest.raises(BadInput, match=r"the rows need \(2, 3\) of float32; build the index again"):
            read_vectors(path, 2, 3)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="not a whole file of vectors"):
        read_vectors(path, 2, 3)
