"""What the pages draw with is pinned, small enough, and has its licences with it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import bundle_echarts
import pytest
from places import PROJECT

PAGES = PROJECT / "omlzoo/pages"


def test_every_download_is_pinned_by_its_hash() -> None:
    wanted = json.loads((bundle_echarts.SOURCE / "package.json").read_text())["dependencies"]
    locked = json.loads((bundle_echarts.SOURCE / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    for name, package in locked.items():
        assert not name or package["integrity"].startswith("sha512-")


def test_the_library_is_there_with_its_licences() -> None:
    assert (PAGES / "echarts.js").stat().st_size <= bundle_echarts.LARGEST
    licences = (PAGES / "echarts.licence.txt").read_text()
    assert all(licences.count(f"{name}\n") == 1 for name in bundle_echarts.LICENCES)
    for said in ("Apache License", "Apache Software Foundation", "Baidu", "Mike Bostock", "Microsoft Corporation"):
        assert said in licences


def test_every_part_that_the_pages_use_is_in_the_bundle() -> None:
    entry = (bundle_echarts.SOURCE / "entry.js").read_text()
    script = (PAGES / "charts.js").read_text()
    kinds = {
        kind for kind in re.findall(r'type: "(\w+)"', script) if kind in ("line", "scatter", "bar", "pie", "custom")
    }
    assert kinds == {"line", "scatter"}
    assert all(f"{kind.capitalize()}Chart" in entry for kind in kinds)


def test_a_bundler_that_fails_or_gives_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
        (Path(cwd) / "out.js").write_text("x" * 2_000_000)
        return subprocess.CompletedProcess(command, int(fails), "", "no network")

    monkeypatch.setattr(bundle_echarts.subprocess, "run", run)
    fails = True
    with pytest.raises(SystemExit, match="npm ci --ignore-scripts --no-audit --no-fund: no network"):
        bundle_echarts.bundle(tmp_path)
    fails = False
    with pytest.raises(SystemExit, match=r"out\.js has 2,000,000 bytes; at most 1,200,000"):
        bundle_echarts.bundle(tmp_path)
