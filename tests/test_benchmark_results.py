"""The table of a benchmark, and the comparison of its ratios with kept ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(FOLDER))
import check  # noqa: E402
import measuring  # noqa: E402
import report  # noqa: E402


def written(folder: Path, theirs: float) -> dict[str, object]:
    results = measuring.Results("made")
    results.add("one query", 2.0, "ms", peer=theirs, peer_name="other", limit=1.0, rows=5)
    results.add("pictures", 50.0, "pictures/s", more=True, peer=25.0, peer_name="other", limit=100.0)
    results.add("alone", 1234.5, "MB")
    results.write()
    found: dict[str, object] = json.loads((folder / "made.json").read_text())
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    return tmp_path


def test_ratios_are_above_1_where_ours_is_better(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(folder, 3.0)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| one query | 2 ms | other 3 | 1.5 x | 1 | 0.5 |",
        "| pictures | 50 pictures/s | other 25 | 2 x | 100 | 0.5 |",
        "| alone | 1,234 MB |  |  |  |  |",
    ]
    assert {"benchmark", "command", "commit", "date", "machine", "versions", "rows"} == set(found)
    page = report.section(found)
    assert "| one query | 2 ms | other 3 | 1.5 x | 1 | 0.5 |" in page
    assert "## made" in page


def test_what_fell_is_said_and_seconds_are_not_compared(folder: Path) -> None:
    before = written(folder, 3.0)
    slower = json.loads(json.dumps(before))
    for row in slower["rows"]:
        row["ours"] *= 10  # all of it: another machine
    assert check.compared(slower, before, 0.75) == ([], 2)
    worse, count = check.compared(written(folder, 1.0), before, 0.75)
    assert count == 2
    assert [line.partition(" at ")[0] for line in worse] == ["made: one query: ratio to other is 0.5, was 1.5"]
    slower["rows"] = slower["rows"][1:]
    assert check.compared(slower, before, 0.75)[0] == ["made: one query: is measured no more"]


def test_the_kept_run_is_found_in_a_folder_and_in_git(folder: Path) -> None:
    found = written(folder, 3.0)
    assert check.kept(str(folder), "made.json") == found
    assert check.kept(str(folder), "none.json") is None
    assert check.kept("HEAD", "none.json") is None


def test_every_benchmark_that_make_runs_exists_or_is_awaited() -> None:
    text = (FOLDER / "run.py").read_text()
    assert '"index"' in text
    assert (
        subprocess.run(
            [sys.executable, str(FOLDER / "check.py"), "--help"], check=False, capture_output=True
        ).returncode
        == 0
    )
