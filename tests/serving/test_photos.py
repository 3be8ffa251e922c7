"""A folder of photos becomes an index that is served; a second time nothing is computed again."""

import shutil
import warnings
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from omlzoo.cli import main
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.index.storage import is_index
from omlzoo.models._extractor import Extractor
from omlzoo.serving import photos
from omlzoo.serving.application import application
from omlzoo.serving.photos import open_photos


@pytest.fixture
def folder(tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    model.save(tmp_path / "model")
    (tmp_path / "photos/sub").mkdir(parents=True)
    for number, path in enumerate(sorted(drawn.parent.rglob("*.png"))[:12]):
        shutil.copy(path, tmp_path / "photos" / ("sub" if number % 2 else ".") / f"{number}.png")
    return tmp_path / "photos"


def test_the_photos_are_searched_and_nothing_is_written_among_them(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    index = open_photos(folder, str(folder.parent / "model"))
    assert index.size == 12
    assert sorted(folder.rglob("*")) == before
    query = folder / "sub/1.png"
    assert index.search([query], k=1).table()["path"].tolist() == ["sub/1.png"]
    with TestClient(application(index, hosts=("testserver",))) as client:
        assert client.get("/health").status_code == 200
        assert len(client.post("/search", files={"image": query.read_bytes()}, data={"k": "3"}).json()["hits"]) == 3


def test_what_is_new_is_added_and_what_is_gone_taken_out(folder: Path) -> None:
    model = str(folder.parent / "model")
    open_photos(folder, model)
    (folder / "0.png").unlink()
    Image.new("RGB", (40, 40), "red").save(folder / "new.png")
    with pytest.warns(OmlzooWarning, match="1 pictures are not in .* any more; removed"):
        index = open_photos(folder, model)
    names = {Path(path).name for path in index.table().frame["path"]}
    assert "new.png" in names
    assert "0.png" not in names
    assert index.size == 12


def test_broken_pictures_are_left_out_and_said(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.warns(OmlzooWarning, match="1 of 13"):
        index = open_photos(folder, str(folder.parent / "model"))
    assert index.size == 12


@pytest.mark.parametrize("content", ["empty", "broken", "no folder"])
def test_a_folder_without_pictures_is_one_line(folder: Path, content: str) -> None:
    other = folder.parent / "other"
    if content != "no folder":
        other.mkdir()
    if content == "broken":
        (other / "x.png").write_bytes(b"x")
    with pytest.raises((BadInput, ValueError)) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_photos(other, str(folder.parent / "model"))
    assert "\n  " not in str(caught.value) or content == "empty"


def test_the_command_tells_an_index_from_photos(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("omlzoo.serving.server.serve_forever", lambda *_: None)
    model = str(folder.parent / "model")
    assert main(["serve", str(folder), "--model", model]) == 0
    assert "omlzoo: 12 rows at http://127.0.0.1:8765/" in capsys.readouterr().err
    open_photos(folder, model).save(folder.parent / "index")
    assert is_index(folder.parent / "index")
    assert not is_index(folder)
    assert main(["serve", str(folder.parent / "index")]) == 0
    assert main(["serve", str(folder.parent / "index"), "--model", model]) == 2
    assert "leave --model out" in capsys.readouterr().err
    assert main(["serve", str(folder.parent / "gone"), "--model", model]) == 2
    assert "give an index, or a folder of pictures" in capsys.readouterr().err


def test_without_a_model_the_best_one_here_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "best_here", lambda: str(folder.parent / "model"))
    assert open_photos(folder).size == 12
