"""Frames of a video file, one each second, as pictures with their time."""

import os
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import pandas as pd
from PIL import Image

from omlzoo import catalog
from omlzoo.data.sources._container import Contents
from omlzoo.errors import BadImage, BadInput

__all__ = ["VideoFile"]

EVERY = "OMLZOO_FRAME_SECONDS"  # seconds between frames; 1 by default
MOST_PIXELS = 178_956_970  # of a frame, as of any picture
MOST_FRAMES = 1_000_000  # of a file; a duration that claims more is refused
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"  # that ffmpeg may ask; none names other files


class VideoFile:
    """A video. A frame is called by its time, such as ``12.000``: the last one that is shown by then.

    Args:
        path: The file.

    Raises:
        BadInput: It is damaged, or has no pictures or no known duration.
        MissingExtra: PyAV is not installed.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, Lock()
        self.av = catalog.optional("av", "video")
        try:
            options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
            self.file = self.av.open(str(path.absolute()), options=options)
            self.stream = self.file.streams.video[0]
        except (self.av.FFmpegError, IndexError, OSError, ValueError) as error:
            reason = "it has no pictures" if isinstance(error, IndexError) else str(error)
            raise BadInput(f"{path}: cannot be read as a video: {reason}") from error
        if self.stream.width * self.stream.height > MOST_PIXELS:
            raise BadInput(f"{path}: {self.stream.width} x {self.stream.height} pixels are more than {MOST_PIXELS:,}")
        self.frames: Any = iter(())
        self.shown: tuple[float, Any] | None = None  # the time of a frame that was decoded, and the frame
        self.waiting: Any = None  # the frame after it

    @staticmethod
    def takes(path: Path) -> bool:
        """Any file that ends so."""
        return True

    def contents(self) -> Contents:
        """A row for each frame, with its ``time`` in seconds.

        Raises:
            BadInput: It has no known duration, or one of too many frames.
        """
        every = _seconds()
        duration = self._duration()
        if duration is None or not 0 < duration / every <= MOST_FRAMES:
            raise BadInput(f"{self.path}: says that it lasts {duration} s, of which no frames can be taken")
        times = [number * every for number in range(int(duration / every) + 1) if number * every < duration]
        names = [f"{time:010.3f}" for time in times]
        said = f"{self.path}: {len(names)} frames, one each {every:g} s ({EVERY} sets that)"
        return Contents(pd.DataFrame({"path": names, "time": times}), (said,), foldered=False)

    def _duration(self) -> float | None:
        if self.stream.duration is not None:
            return float(self.stream.duration * self.stream.time_base)
        return None if self.file.duration is None else self.file.duration / self.av.time_base

    def read(self, name: str) -> Image.Image:
        """The frame that is shown at a time.

        Raises:
            BadImage: The name is no time within the video, or it is damaged there.
        """
        time = _time(name)
        if time is None:
            raise BadImage(f"{self.path}/{name}: a frame is called by its time in seconds, such as 12.000")
        try:
            with self.lock:
                return self._at(time)
        except (self.av.FFmpegError, OSError, ValueError) as error:
            raise BadImage(f"{self.path}/{name}: {error}") from error

    def _at(self, time: float) -> Image.Image:
        """The last frame at or before a time; frames in order are decoded once."""
        if self.shown is None or time < self.shown[0]:
            start = self.stream.start_time or 0
            self.file.seek(start + int(time / self.stream.time_base), stream=self.stream)
            self.frames, self.shown = self.file.decode(self.stream), None
            self.waiting = next(self.frames, None)
        while self.waiting is not None and (self.shown is None or self._time(self.waiting) <= time + 1e-6):
            self.shown = self._time(self.waiting), self.waiting
            self.waiting = next(self.frames, None)
        if self.shown is None:
            raise BadImage(f"{self.path}: there is no frame at {time:g} s")
        return _upright(self.shown[1].to_image(), int(getattr(self.shown[1], "rotation", 0)))

    def _time(self, frame: Any) -> float:
        return float((frame.pts - (self.stream.start_time or 0)) * self.stream.time_base)

    def size(self, name: str) -> int | None:
        """0, as the bytes of a frame are not known; None where the name is no time."""
        return None if _time(name) is None else 0


def _upright(image: Image.Image, degrees: int) -> Image.Image:
    """A frame as players show it.

    Args:
        image: As it is stored.
        degrees: How far the file says to turn it counterclockwise; only quarter turns are made.
    """
    turns = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    turn = turns.get(degrees % 360)
    return image if turn is None else image.transpose(turn)


def _time(name: str) -> float | None:
    return float(name) if name.replace(".", "", 1).isdecimal() and name.isascii() else None


def _seconds() -> float:
    try:
        every = float(os.environ.get(EVERY) or 1)
    except ValueError:
        every = 0.0
    if not 0.001 <= every <= 86_400:
        raise BadInput(f"{EVERY} is {os.environ.get(EVERY)!r}; give seconds between frames, from 0.001 to 86400")
    return every
