"""The pictures of one page: each is read once, is inside the page once, and all of them stay small."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from PIL import Image, features

from omlzoo.data.images import Box, to_rgb
from omlzoo.data.late_picture import Picture
from omlzoo.data.written_text import is_writable
from omlzoo.errors import BadImage
from omlzoo.pages.charts import Atlas
from omlzoo.pages.parts import Card

__all__ = ["LARGE", "Album", "atlas"]

SIDE = 320  # pixels of a picture's longer side
SMALL = 96  # of those for which there is no room
LARGE = 300  # pictures of a page that open at 320 pixels
ROOM = 1_600_000  # characters of them, so that a page with its charts stays below 3 MB
TILE = 40  # pixels of a picture of a map
ACROSS = 32  # pictures in a row of them


class Album:
    """Pictures as data URIs: the first 300, as long as there is room, at 320 pixels a side, further ones at 96.

    Args:
        page: The file of the page, for the addresses of pictures that lie beside it; None gives no addresses.
    """

    def __init__(self, page: str | Path | None = None) -> None:
        self.folder = None if page is None else Path(page).absolute().parent
        self.known: dict[tuple[int | str, Box | None], str | None] = {}
        self.kept: list[Picture] = []  # so that no other picture in memory gets the number of one that is gone
        self.room, self.large, self.small = ROOM, 0, 0

    def picture(self, source: Picture, box: Box | None = None) -> str | None:
        """The data URI of a picture, None where it cannot be read.

        Args:
            source: A picture's file, or a picture in memory.
            box: The part to show, (x_1, y_1, x_2, y_2) in pixels; None shows the whole picture.
        """
        key = (str(source) if isinstance(source, Path) else id(source), box)
        if key not in self.known:
            self.kept.append(source)
            self.known[key] = self._encoded(source, box)
        return self.known[key]

    def card(
        self,
        source: Picture,
        box: Box | None,
        title: str,
        text: str = "",
        right: bool | None = None,
        *,
        name: str = "",
        why: str = "",
        row: int | None = None,
    ) -> Card:
        """A card with the picture.

        Args:
            source: A picture's file, or a picture in memory.
            box: The part to show; None shows the whole picture.
            title: As the attribute of :class:`omlzoo.pages.parts.Card`, like those below it.
            text: The second line.
            right: Whether its label is that of the query.
            name: What it is called in its table.
            why: Why it is shown.
            row: Its row, where the reader may decide about it.
        """
        return Card(self.picture(source, box), title, text, right, name, why, self._link(source), row)

    def notes(self) -> list[str]:
        """What is to be said of pictures that do not open at their full size; empty where all do."""
        if not self.small:
            return []
        return [f"{self.small} of {self.large + self.small} pictures are kept small, so that the page stays small."]

    def _encoded(self, source: Picture, box: Box | None) -> str | None:
        try:
            image = to_rgb(source, box, (SIDE, SIDE))
        except BadImage:
            return None
        if self.large < LARGE:
            text = data_uri(_within(image, SIDE))
            if len(text) <= self.room:
                self.room -= len(text)
                self.large += 1
                return text
        self.small += 1
        return data_uri(_within(image, SMALL))

    def _link(self, source: Picture) -> str:
        if self.folder is None or not isinstance(source, Path):
            return ""
        file = source.absolute()
        if not file.is_relative_to(self.folder) or not is_writable(str(file)):
            return ""
        return quote(file.relative_to(self.folder).as_posix())


def data_uri(image: Image.Image, quality: int = 45) -> str:
    """The image as AVIF, or as WebP where Pillow was built without, as a data URI."""
    buffer = io.BytesIO()
    if features.check("avif"):
        image.save(buffer, "AVIF", quality=quality, speed=9, max_threads=1)
        kind = "avif"
    else:
        image.save(buffer, "WEBP", quality=quality - 10)
        kind = "webp"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def atlas(sources: Sequence[Picture | None], boxes: Sequence[Box | None]) -> Atlas | None:
    """One image with a small picture of each source, for a map; None where none of them can be read.

    Args:
        sources: N pictures; None for a point without one.
        boxes: Their parts to show.
    """
    tiles: list[Image.Image] = []
    places: list[int] = []
    for source, box in zip(sources, boxes, strict=True):
        try:
            tile = None if source is None else _within(to_rgb(source, box, (TILE, TILE)), TILE)
        except BadImage:
            tile = None
        places.append(-1 if tile is None else len(tiles))
        tiles += [] if tile is None else [tile]
    if not tiles:
        return None
    across = min(ACROSS, len(tiles))
    sheet = Image.new("RGB", (across * TILE, -(-len(tiles) // across) * TILE), (128, 128, 128))
    for number, tile in enumerate(tiles):
        left, top = number % across * TILE, number // across * TILE
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
    return Atlas(data_uri(sheet), TILE, across, tuple(places))


def _within(image: Image.Image, side: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((side, side))
    return small
