"""What the README shows is generated and true."""

import re
import subprocess
import sys

from places import PROJECT

import omlzoo

ROOT = PROJECT


def test_the_table_of_checkpoints_is_up_to_date() -> None:
    found = subprocess.run([sys.executable, str(ROOT / "scripts/zoo_table.py"), "--check"], check=False)
    assert found.returncode == 0, "run python scripts/zoo_table.py"


def test_every_file_it_links_to_is_there() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "docs/architecture.md"):
        text = (ROOT / document).read_text()
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert ((ROOT / document).parent / target).exists(), f"{document} links to {target}"


def test_every_name_it_uses_is_there() -> None:
    for name in re.findall(r"omlzoo\.(\w+)\(", (ROOT / "README.md").read_text()):
        assert hasattr(omlzoo, name), name


def test_every_test_that_the_documents_name_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs/reliability.md").read_text())
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 30
    assert [name for name in named if f"def {name}(" not in code] == []
