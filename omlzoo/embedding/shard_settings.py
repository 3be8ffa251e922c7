"""``shards.json``: how the vectors of a folder of shards were made, and where its files of rows are."""

import json
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from omlzoo.embedding.quantization import VectorFormat, check_form
from omlzoo.embedding.record import Record
from omlzoo.errors import BadInput
from omlzoo.files import new_file
from omlzoo.jsonio import read_json

__all__ = ["FACTS", "ROWS_FOLDER", "Settings", "remove_folder"]

FACTS = "shards.json"
ROWS_FOLDER = re.compile("rows-[0-9]{1,9}")  # of rows that replaced others


@dataclass(frozen=True)
class Settings:
    """What the file says.

    Attributes:
        record: How the vectors were made.
        form: Form of the vectors in the files: "float32", "float16" or "int8".
        within: Name of the folder in the folder that has the files of rows, once rows were replaced; "" where the files
            stand in the folder itself.
    """

    record: Record
    form: VectorFormat
    within: str = ""

    @staticmethod
    def read(folder: Path) -> "Settings":
        """The settings of a folder.

        Raises:
            BadInput: The file is damaged, or names a folder that is not there.
        """
        facts = folder / FACTS
        try:
            raw = read_json(facts)
            settings = Settings(Record.from_json(json.dumps(raw["record"])), raw["form"], raw.get("rows", ""))
            check_form(settings.form)
            if settings.within and not ROWS_FOLDER.fullmatch(settings.within):
                raise ValueError(f"rows is {settings.within!r}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{facts}: damaged ({error}); remove the folder and embed again") from error
        if settings.within and not (folder / settings.within).is_dir():
            raise BadInput(f"{folder} lacks its folder {settings.within}: it is being replaced, then open it again; "
                           "or it was copied in part, then copy it whole")  # fmt: skip
        return settings

    def write(self, folder: Path) -> None:
        """Write the file, which appears whole or not at all."""
        raw = {"record": json.loads(self.record.to_json()), "form": self.form}
        with new_file(folder / FACTS) as temporary:
            temporary.write_text(json.dumps(raw | ({"rows": self.within} if self.within else {}), indent=2))


def remove_folder(folder: Path) -> None:
    """Remove a folder of shards, its settings last: one that is killed in between leaves a folder known as ours."""
    with suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda path: path.name == FACTS):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder.rmdir()
