"""Files of equal bytes have one number; others have their own."""

from pathlib import Path

import pytest

from omlzoo.data.equal_files import equal_files


def test_equal_bytes_have_one_number(tmp_path: Path) -> None:
    contents = [b"one", b"two", b"one", b"longer", b"", b"", b"two"]
    files = [tmp_path / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    numbers = equal_files(files)
    for a in range(len(files)):
        for b in range(len(files)):
            assert (numbers[a] == numbers[b]) == (contents[a] == contents[b])


def test_only_files_of_one_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (tmp_path / str(number)).write_bytes(b"x" * number)

    def closed(*_: object, **__: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(Path, "open", closed)
    assert equal_files([tmp_path / str(number) for number in range(4)]).tolist() == [0, 1, 2, 3]


def test_what_cannot_be_read_is_like_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert equal_files([tmp_path / "gone", tmp_path / "a", tmp_path / "gone", Path("a\0b")]).tolist() == [0, 1, 2, 3]
    assert equal_files([]).tolist() == []
