"""Pictures from a zip, a tar and Parquet bytes beside the same pictures in files: opening and decoding, in processor seconds.

python benchmarks/sources.py [--size PICTURES]    (default 100,000 of 96 x 96)
"""

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Results, arguments, in_turn
from PIL import Image

from omlzoo.data import table as tables
from omlzoo.data.images import to_rgb

RESULTS = Results("sources")
DIFFERENT = 500  # pictures; they repeat
ROUNDS = 3


def jpegs(count: int) -> list[bytes]:
    random, found = np.random.default_rng(0), []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (24, 24, 3), np.uint8))
        coarse.resize((96, 96)).save(buffer := io.BytesIO(), "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def write(folder: Path, count: int) -> None:
    """The same pictures in files, a zip, a tar, and one row group of Parquet."""
    some = jpegs(min(count, DIFFERENT))
    contents = [some[number % len(some)] for number in range(count)]
    (folder / "files").mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w") as packed, tarfile.open(folder / "a.tar", "w") as archive:
        for number, content in enumerate(contents):
            (folder / "files" / f"{number:06}.jpg").write_bytes(content)
            packed.writestr(f"{number:06}.jpg", content)
            member = tarfile.TarInfo(f"{number:06}.jpg")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    pq.write_table(pa.table({"image": contents}), folder / "a.parquet", row_group_size=count, use_dictionary=False)


def read(source: Path) -> None:
    for picture in tables.read(source, "embed").pictures():
        to_rgb(picture)


def main() -> None:
    count = arguments(__doc__).size or 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, count)
        cases = {kind: lambda kind=kind: read(folder / kind) for kind in ("files", "a.zip", "a.tar", "a.parquet")}  # type: ignore[misc]
        took = in_turn(cases, ROUNDS)
        for kind in ("a.zip", "a.tar", "a.parquet"):
            RESULTS.add(f"{count:,} pictures from {kind}", took[kind], "s", peer=took["files"], peer_name="files",
                        limit=1.1 * took["files"], pictures=count)  # fmt: skip
    RESULTS.write()


if __name__ == "__main__":
    main()
