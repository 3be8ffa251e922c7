"""The pictures that the page shows: those of the index's rows inside the roots, encoded again as small JPEGs."""

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from omlzoo.data.images import FORMATS, SUFFIXES, to_rgb
from omlzoo.errors import BadImage, BadInput
from omlzoo.index.index import Index

__all__ = ["Pictures", "check_upload"]

SIDE = 320  # pixels of a shown picture's longer side
KEPT = 512  # encoded pictures that stay in memory
UPLOADED = tuple(name for name in FORMATS if name != "JPEG2000")  # decoders of what strangers send


class Pictures:
    """The pictures of an index's rows.

    Args:
        index: The index whose rows have the pictures.
        roots: Folders that pictures may lie in; by default the folder where the table's relative paths start. A path
            that leads out of them, by ``..`` or by a link, is not served.
    """

    def __init__(self, index: Index, roots: Sequence[Path] = ()) -> None:
        self.roots = [Path(root).resolve() for root in roots or (Path(index.embeddings.record.root),)]
        table = index.table()
        self.files, self.boxes = table.files(), table.boxes()
        self.small = lru_cache(KEPT)(self._small)

    def _small(self, row: int) -> bytes:
        """The picture of a row as a JPEG of at most 320 pixels a side.

        Raises:
            BadInput: The picture lies outside the roots, or is no file with the suffix of a picture.
            BadImage: The picture cannot be read.
        """
        file = self.files[row].resolve()
        inside = any(file.is_relative_to(root) for root in self.roots)
        if not inside or file.suffix.lower() not in SUFFIXES or not file.is_file():
            raise BadInput(f"the picture of row {row} is not in the folders that are served")
        return _jpeg(to_rgb(file, self.boxes[row], (SIDE, SIDE)))


def check_upload(content: bytes, megapixels: float) -> None:
    """Refuse, before it is decoded, an uploaded file that is no picture or has too many pixels.

    Args:
        content: The bytes of the uploaded file.
        megapixels: The largest number of pixels, in millions.

    Raises:
        BadImage: The file is no picture, or it has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(content), formats=UPLOADED) as opened:
            width, height = opened.size
    except Exception as error:  # decoders raise anything on hostile bytes
        raise BadImage("not a picture of a known format, or a damaged one") from error
    if width * height > megapixels * 1e6:
        raise BadImage(f"the picture has {width} x {height} pixels; at most {megapixels:g} million")


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
