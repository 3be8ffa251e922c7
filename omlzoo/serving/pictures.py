"""The pictures that the page shows: those of the index's rows inside the roots, encoded again as small JPEGs."""

import io
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from omlzoo.data.images import FORMATS, SUFFIXES, to_rgb
from omlzoo.data.levels import is_deep
from omlzoo.errors import BadImage, BadInput, notice
from omlzoo.index.index import Index
from omlzoo.serving.inside import read_inside
from omlzoo.serving.limits import Limits

__all__ = ["Pictures", "check_upload"]

SIDE = 320  # pixels of a shown picture's longer side
KEPT = 512  # encoded pictures that stay in memory
NARROW = 1000  # of an upload, how many times as long as the other a side may be
HOMES = ("/home", "/Users")  # folders of everybody's homes
UPLOADED = tuple(name for name in FORMATS if name != "JPEG2000")  # decoders of what strangers send


class Pictures:
    """The pictures of an index's rows.

    Args:
        index: The index whose rows have the pictures.
        roots: Folders that pictures may lie in; by default the folder where the table's relative paths start, unless it
            holds more than pictures: the home folder, the temporary one, or a folder above one of them. A path that
            leads out of the folders, by ``..`` or by a link, is not served.

    Raises:
        BadInput: A root is no folder.
    """

    def __init__(self, index: Index, roots: Sequence[Path] = ()) -> None:
        for root in roots:
            if not Path(root).is_dir():
                raise BadInput(f"root {str(root)!r} is no folder; give one that holds pictures")
        self.roots = [Path(root).resolve() for root in roots] or _own_root(index)
        table = index.table()
        self.files, self.boxes = table.files(), table.boxes()
        self.small = lru_cache(KEPT)(self._small)

    def _small(self, row: int) -> bytes:
        """The picture of a row as a JPEG of at most 320 pixels a side.

        Raises:
            BadInput: The picture lies outside the roots, or is no file with the suffix of a picture.
            BadImage: The picture cannot be read.
        """
        try:
            file = self.files[row].resolve()
            root = next((root for root in self.roots if file.is_relative_to(root)), None)
            shown = root is not None and file.suffix.lower() in SUFFIXES and file.is_file()
        except (OSError, ValueError, RuntimeError) as error:  # links in a circle, names that no file has
            raise BadInput(f"the picture of row {row} cannot be looked for ({error})") from error
        if root is None or not shown:
            raise BadInput(f"the picture of row {row} is not in the folders that are served")
        return _jpeg(to_rgb(read_inside(file, root), self.boxes[row], (SIDE, SIDE)))


def _own_root(index: Index) -> list[Path]:
    """The folder where the table's relative paths start, unless it holds more than pictures: a stranger may name it."""
    try:
        root = Path(index.embeddings.record.root).resolve()
        wide = [Path(name).resolve() for name in (Path.home(), tempfile.gettempdir(), *HOMES)]
    except (OSError, ValueError, RuntimeError) as error:
        notice(f"no pictures are shown: the index's folder of pictures cannot be found ({error}); give --root FOLDER")
        return []
    if root == Path(root.anchor) or any(folder.is_relative_to(root) for folder in wide):
        notice(
            f"no pictures are shown: those of the index lie in {root}, which holds other files too; give --root FOLDER"
        )
        return []
    return [root]


def check_upload(content: bytes, limits: Limits) -> None:
    """Refuse, before it is decoded, an uploaded file that is no picture or has too many pixels, or is long and narrow.

    The bytes are those of the decoded pixels in the mode of the file, of an animation those of its first frame.

    Args:
        content: The bytes of the uploaded file.
        limits: How many pixels there may be, and how many bytes they may take.

    Raises:
        BadImage: The file is no picture, it has too many pixels, these take too many bytes, or one side is more than
            1,000 times the other.
    """
    try:
        with Image.open(io.BytesIO(content), formats=UPLOADED) as opened:
            (width, height), size = opened.size, _bytes_of_pixel(opened)
    except Exception as error:  # decoders raise anything on hostile bytes
        raise BadImage("not a picture of a known format, or a damaged one") from error
    if width * height > limits.megapixels * 1e6:
        raise BadImage(f"the picture has {width} x {height} pixels; at most {limits.megapixels:g} million")
    if width * height * size > limits.decoded_megabytes * 1e6:
        most = f"{width * height * size / 1e6:,.3g} million; at most {limits.decoded_megabytes:g} million"
        raise BadImage(f"the picture's {width} x {height} pixels take {size} bytes each, {most}")
    if max(width, height) > NARROW * min(width, height):
        raise BadImage(f"the picture has {width} x {height} pixels; one side may be at most {NARROW} times the other")


def _bytes_of_pixel(image: Image.Image) -> int:
    """Bytes that a pixel of the first frame takes once it is decoded; of a deep picture, those of all its levels."""
    stored = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}.get(image.mode, 4)
    return max(stored, 2 * len(image.getbands()) if is_deep(image) else 0)


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
