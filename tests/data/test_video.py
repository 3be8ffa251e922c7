"""Frames of a video by their time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data import table as tables
from omlzoo.data.images import to_rgb
from omlzoo.data.sources import video_file
from omlzoo.errors import BadImage, BadInput, OmlzooWarning

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of ten frames each; frame n is grey of 8 n."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 4_000_000
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * number, np.uint8), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def level(path: Path) -> float:
    return float(np.asarray(to_rgb(path)).mean())


def test_a_frame_each_second_with_its_time(video: Path) -> None:
    table = tables.read(video, "embed")
    assert table.frame["path"].tolist() == ["a.mp4/000000.000", "a.mp4/000001.000", "a.mp4/000002.000"]
    assert table.frame["time"].tolist() == [0.0, 1.0, 2.0]
    assert [level(path) for path in table.files()] == pytest.approx([0, 80, 160], abs=3)


def test_frames_in_any_order(video: Path) -> None:
    for number in (*range(0, 30, 3), 29, 2, 17, 16, 28):
        assert level(video / f"{number / 10:.3f}") == pytest.approx(8 * number, abs=3), number
        assert level(video / f"{number / 10 + 0.05:.3f}") == pytest.approx(8 * number, abs=3), number


def test_how_often(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMLZOO_FRAME_SECONDS", "0.5")
    with pytest.warns(OmlzooWarning, match=r"6 frames, one each 0\.5 s"):
        embeddings = omlzoo.embed(toy("resnet_toy"), video)
    assert embeddings.good.all()
    assert embeddings.table["time"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    for wrong in ("0", "x", "-1", "nan"):
        monkeypatch.setenv("OMLZOO_FRAME_SECONDS", wrong)
        with pytest.raises(BadInput, match="give seconds between frames"):
            tables.read(video, "embed")


def test_what_is_no_video_or_no_time(video: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(BadInput, match="cannot be read as a video"):
        tables.read(tmp_path / "a.mp4", "embed")
    (tmp_path / "b.mp4").write_text("#EXTM3U\n#EXTINF:1\nhttps://192.0.2.1/a.ts\n")  # a list of other files
    with pytest.raises(BadInput, match="cannot be read as a video"):
        tables.read(tmp_path / "b.mp4", "embed")
    with pytest.raises(BadImage, match="a frame is called by its time"):
        to_rgb(video / "first")


def test_turned_frames() -> None:
    """A frame 2 wide and 1 high, red on the left: turned left by 90 degrees red lies below."""
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8))
    assert np.asarray(video_file._upright(image, 90))[:, 0, 0].tolist() == [0, 255]
    assert np.asarray(video_file._upright(image, -90))[:, 0, 0].tolist() == [255, 0]
    assert video_file._upright(image, 0) is image
