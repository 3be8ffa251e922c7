"""Kept pictures come back to the byte, for their file only, whoever was killed and however full the disk is."""

import errno
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omlzoo.data import decoded_cache
from omlzoo.data.decoded_cache import DecodedCache, file_identity

FILE = (7, -5, 1_000)
MANY = 40


def picture(number: int, size: tuple[int, int] = (5, 3)) -> Image.Image:
    levels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(levels)


def begun(folder: Path, rows: int = MANY, limit: int = 10**6) -> DecodedCache:
    cache = DecodedCache(folder / "kept", rows, limit)
    cache.begin()
    return cache


def same(found: Image.Image | None, wanted: Image.Image) -> bool:
    return found is not None and found.size == wanted.size and found.tobytes() == wanted.tobytes()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9)), max_size=12))
def test_the_last_picture_of_a_row_comes_back(tmp_path_factory: Any, puts: list[tuple[int, int, int]]) -> None:
    cache, wanted = begun(tmp_path_factory.mktemp("c"), 6), {}
    for number, (row, width, height) in enumerate(puts):
        wanted[row] = picture(number, (width, height))
        cache.put(row, FILE, wanted[row])
    for row in range(6):
        found = cache.get(row, FILE)
        assert same(found, wanted[row]) if row in wanted else found is None
    assert cache.size == sum(3 * width * height for _, width, height in puts)


def test_a_changed_or_replaced_file_is_decoded_again(tmp_path: Path) -> None:
    cache, file = begun(tmp_path), tmp_path / "a"
    file.write_bytes(b"123")
    before = file_identity(file)
    assert before is not None
    cache.put(3, before, picture(0))
    assert same(cache.get(3, before), picture(0))
    other = tmp_path / "b"
    other.write_bytes(b"456")
    os.utime(other, ns=(0, before[1]))  # the same time and size: another file all the same
    other.replace(file)
    replaced = file_identity(file)
    assert replaced is not None
    assert cache.get(3, replaced) is None
    file.write_bytes(b"4567")
    longer = file_identity(file)
    assert longer is not None
    assert cache.get(3, longer) is None
    file.unlink()
    assert file_identity(file) is None


def test_what_does_not_fit_ends_the_keeping_and_what_is_kept_stays(tmp_path: Path) -> None:
    cache = begun(tmp_path, limit=100)
    for row in range(4):
        cache.put(row, FILE, picture(row))  # 45 bytes each
    assert [cache.get(row, FILE) is not None for row in range(4)] == [True, True, False, False]
    cache.put(3, FILE, picture(3, (1, 1)))
    assert cache.get(3, FILE) is None
    assert cache.size == 90


def test_a_full_disk_ends_the_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, write = begun(tmp_path), decoded_cache._write
    cache.put(0, FILE, picture(0))

    def full(file: Any, place: int, content: bytes) -> None:
        if place == 45:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, place, content)

    monkeypatch.setattr(decoded_cache, "_write", full)
    cache.put(1, FILE, picture(1))
    cache.put(2, FILE, picture(2))
    assert same(cache.get(0, FILE), picture(0))
    assert cache.get(1, FILE) is None
    assert cache.get(2, FILE) is None


@pytest.mark.parametrize("written", [1, 2])
def test_a_writer_that_is_killed_leaves_no_half_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """It has written the pixels, or the pixels and where the next ones go, and not the record."""
    cache, write, count = begun(tmp_path), decoded_cache._write, 0

    def killed(*args: Any) -> None:
        nonlocal count
        count += 1
        if count > written:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(decoded_cache, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.put(0, FILE, picture(0))
    monkeypatch.setattr(decoded_cache, "_write", write)
    assert cache.get(0, FILE) is None
    for row in (1, 0):
        cache.put(row, FILE, picture(row))
    assert same(cache.get(0, FILE), picture(0))
    assert same(cache.get(1, FILE), picture(1))


def test_half_a_record_is_no_picture(tmp_path: Path) -> None:
    cache = begun(tmp_path)
    cache.put(0, FILE, picture(0))
    index = tmp_path / "kept/index"
    content = bytearray(index.read_bytes())
    content[64 + 36] ^= 1  # the last byte of its height
    index.write_bytes(content)
    assert cache.get(0, FILE) is None


def _fill(cache: DecodedCache, first: int) -> None:
    for row in range(MANY):
        number = (first + row) % MANY
        if cache.get(number, FILE) is None:
            cache.put(number, FILE, picture(number, (30, 20)))


def test_processes_fill_one_cache_together(tmp_path: Path) -> None:
    cache = begun(tmp_path)
    cache.put(0, FILE, picture(0, (30, 20)))  # opened here too, and not shared by the fork
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_fill, args=(cache, 10 * number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(same(cache.get(row, FILE), picture(row, (30, 20))) for row in range(MANY))


def test_it_is_begun_anew_removed_and_passed_to_processes(tmp_path: Path) -> None:
    cache = begun(tmp_path)
    cache.put(0, FILE, picture(0))
    other = pickle.loads(pickle.dumps(cache))
    assert same(other.get(0, FILE), picture(0))
    cache.begin()
    assert cache.get(0, FILE) is None
    cache.remove()
    assert list(tmp_path.iterdir()) == []
    cache.remove()
