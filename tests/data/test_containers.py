"""Archives: a path through one is that of a picture in it; damaged, hostile and cut-off ones cost what is damaged."""

import io
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data import table as tables
from omlzoo.data.containers import container_suffix, file_stamp, is_container, open_container, read_member
from omlzoo.data.images import read_size, to_rgb
from omlzoo.data.sources import _container
from omlzoo.data.sources._container import check_size, pictures_among
from omlzoo.errors import BadImage, BadInput, OmlzooWarning


def png(value: int, size: tuple[int, int] = (5, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


FOLDERS = {"shoes/1.png": png(10), "shoes/2.png": png(20), "hats/3.png": png(30), "readme.txt": b"no", ".hidden.png": b"",
           "__MACOSX/._1.png": b"x"}  # fmt: skip


@pytest.fixture(params=["zip", "tar"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write = write_zip if request.param == "zip" else write_tar
    return write(tmp_path / f"a.{request.param}", FOLDERS)


def test_an_archive_is_a_table_as_its_folder_would_be(archive: Path) -> None:
    table = tables.read(archive, "embed")
    assert table.frame["path"].tolist() == [
        f"{archive.name}/{name}" for name in ("hats/3.png", "shoes/1.png", "shoes/2.png")
    ]
    assert table.frame["label"].tolist() == ["hats", "shoes", "shoes"]
    assert table.root == archive.parent
    assert table.notices == (f"{archive}: 1 files are no pictures and were passed over",)
    evaluated = tables.read(archive, "evaluate").frame
    assert (evaluated["split"] == "validation").all()
    assert evaluated["is_query"].all()
    assert evaluated["is_gallery"].all()


def test_a_path_through_an_archive_is_a_picture(archive: Path) -> None:
    assert to_rgb(archive / "shoes/2.png").getpixel((0, 0)) == (20, 20, 20)
    assert read_size(archive / "shoes/2.png") == (5, 4)
    assert read_member(archive / "hats/3.png") == FOLDERS["hats/3.png"]
    assert read_member(archive.parent / "none.png") is None
    size, changed = file_stamp(str(archive / "shoes/1.png"))
    assert (size, changed) == (len(FOLDERS["shoes/1.png"]), archive.stat().st_mtime_ns)
    assert file_stamp(str(archive / "none.png")) == file_stamp(str(archive.parent / "none.png")) == (-1, -1)
    with pytest.raises(BadImage, match="no such member"):
        to_rgb(archive / "none.png")
    frame = pd.DataFrame({"path": [f"{archive.name}/shoes/1.png", f"{archive.name}/none.png"]})
    with pytest.raises(Exception, match="none.png': there is no such file below"):
        tables.read(frame, "embed", archive.parent)


def test_faults_of_members_are_found(archive: Path, tmp_path: Path) -> None:
    write = write_zip if archive.suffix == ".zip" else write_tar
    damaged = write(tmp_path / f"b{archive.suffix}", {"a/1.png": png(1)[:40], "a/2.png": png(2)})
    (fault,) = tables.find_faults(damaged)
    assert "a/1.png" in str(fault)
    assert "damaged file" in str(fault)


def test_threads_and_a_changed_file(tmp_path: Path) -> None:
    values = {f"{n:03}.png": png(n) for n in range(64)}
    for path in (write_zip(tmp_path / "a.zip", values), write_tar(tmp_path / "a.tar", values)):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda name, path=path: read_member(path / name), values))
        assert found == list(values.values())
        before = open_container(path)
        assert open_container(path) is before
        os.utime(path, ns=(1, 1))
        assert open_container(path) is not before


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_container, "LARGEST", 1000)
    path = write_zip(tmp_path / "a.zip", {"1.png": bytes(10_000)})
    with pytest.raises(BadImage, match="10,000 bytes are more than the 1,000"):
        to_rgb(path / "1.png")
    path = write_tar(tmp_path / "a.tar", {"1.png": bytes(10_000)})
    with pytest.raises(BadImage, match="10,000 bytes are more than the 1,000"):
        to_rgb(path / "1.png")
    check_size("it", 1000)


def test_a_zip_whose_list_lies_about_sizes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": bytes(100_000)})
    content = path.read_bytes()
    assert content.count((100_000).to_bytes(4, "little")) == 2
    path.write_bytes(content.replace((100_000).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(BadImage, match=r"1\.png"):
        to_rgb(path / "1.png")


def test_other_compression_and_passwords_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("1.png", png(1))
    with pytest.raises(BadImage, match="compressed in another way than deflate"):
        to_rgb(tmp_path / "a.zip/1.png")
    path = write_zip(tmp_path / "b.zip", {"1.png": png(1)})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(mark) + place] |= 1  # the bit of encryption
    path.write_bytes(content)
    with pytest.raises(BadImage, match="encrypted"):
        to_rgb(path / "1.png")


def test_names_that_leave_the_archive_are_passed_over() -> None:
    assert pictures_among(["../a.png", "/etc/b.png", "c/./d.png", "e//f.png", "g/h.png", "i.HEIC"]) == (
        ["g/h.png"], {"files are of a format that is not read (convert them)": ["i.HEIC"]})  # fmt: skip


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(BadInput, match=str(path)) as caught:
        tables.read(path, "embed")
    assert "\n" not in str(caught.value)


def test_a_packed_tar_says_what_to_do(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar.gz", {"1.png": png(1)}, "w:gz")
    assert container_suffix("A.TAR.GZ") == ".tar.gz"
    with pytest.raises(BadInput, match="unpack it to a .tar"):
        tables.read(path, "embed")


@pytest.mark.parametrize(
    ("kept", "whole"), [(1024 + 300, 1), (1024 + 512, 1), (1024 + 512 + 40, 1), (2048, 2), (2048 + 1024, 3)]
)
def test_a_tar_that_is_cut_off_keeps_its_whole_members(tmp_path: Path, kept: int, whole: int) -> None:
    """Members of 512 + 512 bytes: cut in the second's header, before or in its bytes, or where a member has ended."""
    path = write_tar(tmp_path / "a.tar", {"1.png": png(1), "2.png": png(2), "3.png": png(3)})
    path.write_bytes(path.read_bytes()[:kept])
    contents = open_container(path).contents()
    assert contents.frame["path"].tolist() == ["1.png", "2.png", "3.png"][:whole]
    assert len(contents.notices) == 1
    assert f"is cut off or damaged behind {whole} whole members" in contents.notices[0]
    assert [to_rgb(path / f"{n}.png").getpixel((0, 0)) for n in range(1, whole + 1)] == [
        (n, n, n) for n in range(1, whole + 1)
    ]


def test_labels_of_a_webdataset(tmp_path: Path) -> None:
    members = {"a/01.jpg": png(1), "a/01.cls": b"7\n", "a/02.x.png": png(2), "a/02.cls": b"8", "a/02.json": b"{}"}
    table = tables.read(write_tar(tmp_path / "a.tar", members), "embed")
    assert table.frame["label"].tolist() == [7, 8]
    assert any("labels are those of the members that end in .cls" in said for said in table.notices)


def parquet(path: Path, values: list[bytes | None], rows: int = 2, **others: object) -> Path:
    pictures = pa.array([{"bytes": value, "path": f"x/{n}.png"} for n, value in enumerate(values)],
                        pa.struct([("bytes", pa.binary()), ("path", pa.string())]))  # fmt: skip
    pq.write_table(pa.table({"image": pictures, **others}), path, row_group_size=rows)
    return path


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_rows_of_parquet_in_any_order(tmp_path: Path, rows: int) -> None:
    values = [png(n) for n in range(100)]
    path = parquet(tmp_path / "a.parquet", values, rows, label=list(range(100)))
    table = tables.read(path, "embed")
    assert table.frame["path"].tolist()[:2] == ["a.parquet/0/0.png", "a.parquet/1/1.png"]
    assert table.frame["label"].tolist() == list(range(100))
    order = [*range(100), *np.random.default_rng(0).permutation(100).tolist(), 99, 0, 98]
    assert [read_member(tmp_path / table.frame["path"][n]) for n in order] == [values[n] for n in order]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: read_member(path / str(n)), range(100))) == values


def test_rows_of_parquet_without_a_picture(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", [png(1), None])
    with pytest.raises(BadImage, match="the row has no bytes"):
        to_rgb(path / "1")
    with pytest.raises(BadImage, match="no such row; they are numbered to 1"):
        to_rgb(path / "2")


def test_which_parquet_files_hold_pictures(tmp_path: Path) -> None:
    def is_one(**columns: object) -> bool:
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        return is_container(tmp_path / "a.parquet")

    assert is_one(anything=[b"x"])
    assert is_one(image=[b"x"], path=["a"])
    assert not is_one(thumbnail=[b"x"], path=["a"])
    assert not is_one(path=["a"])
    assert not is_one(image=["text"])
    is_one(one=[b"x"], two=[b"x"])
    with pytest.raises(BadInput, match="columns one, two hold bytes; call the pictures' one 'image'"):
        tables.read(tmp_path / "a.parquet", "embed")


def test_classes_of_the_hub_are_written_by_their_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [{"bytes": png(1), "path": None}] * 3, "label": [1, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    frame = tables.read(tmp_path / "a.parquet", "embed").frame
    assert frame["label"].tolist() == ["dog", "cat", "dog"]
    assert frame["path"].tolist()[0] == "a.parquet/0"


def test_what_was_passed_over_is_said_once(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": png(1), "x.txt": b""})
    with pytest.warns(OmlzooWarning, match="1 files are no pictures"):
        assert len(omlzoo.embed(toy("resnet_toy"), path)) == 1
