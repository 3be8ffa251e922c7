"""shards.json is read as it was written, or refused in one line."""

import json
from pathlib import Path

import pytest
from drawn_rows import random_embeddings

from omlzoo.embedding.shard_settings import FACTS, Settings, remove_folder
from omlzoo.errors import BadInput


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = random_embeddings(2).record
    for within in ("", "rows-7"):
        (tmp_path / within).mkdir(exist_ok=True)
        Settings(record, "int8", within).write(tmp_path)
        assert Settings.read(tmp_path) == Settings(record, "int8", within)
        assert ("rows" in json.loads((tmp_path / FACTS).read_text())) == bool(within)


@pytest.mark.parametrize(
    ("within", "said"),
    [("../x", "damaged"), ("/", "damaged"), (3, "damaged"), (["rows-1"], "damaged"), ("rows-1", "lacks its folder")],
)
def test_a_folder_elsewhere_or_not_there_is_refused(within: object, said: str, tmp_path: Path) -> None:
    Settings(random_embeddings(2).record, "float32").write(tmp_path)
    raw = json.loads((tmp_path / FACTS).read_text())
    (tmp_path / FACTS).write_text(json.dumps(raw | {"rows": within}))
    with pytest.raises(BadInput, match=f"^[^\n]*{said}[^\n]*$"):
        Settings.read(tmp_path)


def test_a_folder_of_which_the_removal_is_killed_is_known_as_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    unlink = Path.unlink
    for name in ("00000000.parquet", "removed-00000000.parquet", ".lock", "z"):
        (tmp_path / name).touch()
    Settings(random_embeddings(2).record, "float32").write(tmp_path)
    monkeypatch.setattr(Path, "unlink", lambda path: (removed.append(path.name), unlink(path))[1])
    remove_folder(tmp_path)
    assert (len(removed), removed[-1]) == (5, FACTS)
    assert not tmp_path.exists()
