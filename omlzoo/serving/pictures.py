"""The pictures that the page shows: those of the index's rows, inside its roots, as small JPEGs made anew."""

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from omlzoo.data.images import SUFFIXES, to_rgb
from omlzoo.errors import BadImage, BadInput
from omlzoo.index.index import Index

__all__ = ["Pictures", "read_upload"]

SIDE = 320  # pixels of a shown picture's longer side
KEPT = 512  # shown pictures in memory
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


class Pictures:
    """The pictures of an index's rows.

    Args:
        index: Whose rows.
        roots: Folders that pictures may lie in; by default where the table's relative paths start. A path that leads
            out of them, by ``..`` or by a link, is not served.
    """

    def __init__(self, index: Index, roots: Sequence[Path] = ()) -> None:
        self.roots = [Path(root).resolve() for root in roots or (Path(index.embeddings.record.root),)]
        table = index.table()
        self.files, self.boxes = table.files(), table.boxes()
        self.small = lru_cache(KEPT)(self._small)

    def _small(self, row: int) -> bytes:
        """The picture of a row as a JPEG of at most 320 pixels a side.

        Raises:
            BadInput: It lies outside the roots, or is no file with a picture's name.
            BadImage: It cannot be read.
        """
        file = self.files[row].resolve()
        inside = any(file.is_relative_to(root) for root in self.roots)
        if not inside or file.suffix.lower() not in SUFFIXES or not file.is_file():
            raise BadInput(f"the picture of row {row} is not in the folders that are served")
        return _jpeg(to_rgb(file, self.boxes[row], (SIDE, SIDE)))


def read_upload(content: bytes, megapixels: float, box: tuple[int, int, int, int] | None = None) -> Image.Image:
    """The upright RGB picture of a request.

    Raises:
        BadImage: It is none, is damaged, has too many pixels, or the box is not inside.
    """
    try:
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
        if opened.width * opened.height > megapixels * 1e6:
            raise BadImage(f"the picture has {opened.width} x {opened.height} pixels; at most {megapixels:g} million")
        opened.load()
    except BadImage:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        raise BadImage("not a picture of a known format, or a damaged one") from error
    return to_rgb(opened, box)


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
