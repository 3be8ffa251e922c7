"""Each fact of the packaging has one home: version, requirements, targets of the Makefile, files for GitHub."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import check_files
import check_types
import pytest
import yaml
from places import PROJECT

import omlzoo

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
MAKEFILE = (PROJECT / "Makefile").read_text()


def extras_in(requirement: str) -> list[str]:
    """The extras that a requirement such as ``omlzoo[faiss,serve]`` names; none for another package."""
    found = re.fullmatch(r"omlzoo\[([\w,]+)\]", requirement)
    return found[1].split(",") if found else []


def reached(names: list[str]) -> set[str]:
    """The extras that are installed with the named ones."""
    inner = [name for extra in names for requirement in EXTRAS[extra] for name in extras_in(requirement)]
    return set(names) | (reached(inner) if inner else set())


def test_the_version_is_written_in_one_place() -> None:
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    home = PROJECT / PYPROJECT["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.+)"$', home.read_text(), re.M) == [omlzoo.__version__]


def test_no_package_is_required_twice() -> None:
    lines = PYPROJECT["project"]["dependencies"] + [line for extra in EXTRAS.values() for line in extra]
    packages = Counter(re.split(r"[\[<>=!~; ]", line)[0].lower() for line in lines if not extras_in(line))
    assert [name for name, count in packages.items() if count > 1] == []


def test_extras_name_extras_that_are_there() -> None:
    named = {name for extra in EXTRAS.values() for requirement in extra for name in extras_in(requirement)}
    assert named <= set(EXTRAS)


def test_an_error_names_an_extra_that_is_there() -> None:
    code = "".join(path.read_text() for folder in ("omlzoo", "scripts") for path in (PROJECT / folder).rglob("*.py"))
    named = set(re.findall(r'(?:MissingExtra|catalog\.optional)\([^,]+, "([^"]+)"\)', code)) | set(
        re.findall(r"omlzoo\[(\w+)\]'", code)
    )
    assert len(named) > 5
    assert named <= set(EXTRAS)


@pytest.mark.parametrize("target", ["setup", "setup-all", "demo", "test", "lint", "bench"])
def test_the_makefile_has_the_target(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.M)
    assert target in re.findall(r"[\w-]+", re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[0])


def test_each_set_of_packages_that_make_installs_includes_the_one_before() -> None:
    sets = [reached(names.split(",")) for names in re.findall(r"^\t\$\(INSTALL\) '\.\[(.+)\]'$", MAKEFILE, re.M)]
    demo, tests, everything = sets
    assert demo < tests < everything
    assert everything == set(EXTRAS)


def test_the_citation_has_the_version_and_the_licence() -> None:
    facts = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert facts["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(facts)
    assert str(facts["version"]) == omlzoo.__version__
    assert facts["license"] == PYPROJECT["project"]["license"]


def test_what_pre_commit_calls_is_there() -> None:
    (repository,) = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["id"] for hook in repository["hooks"]} >= {"ruff-check", "ruff-format", "mypy"}
    for hook in repository["hooks"]:
        assert hook["entry"].startswith(".venv/bin/")
        for script in re.findall(r"scripts/\w+\.py", hook["entry"]):
            assert (PROJECT / script).is_file()


def test_the_forms_for_issues_are_forms() -> None:
    forms = sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [form.stem for form in forms] == ["bug", "checkpoint", "feature"]
    for form in forms:
        facts = yaml.safe_load(form.read_text())
        assert {"name", "description", "body"} <= set(facts)
        identifiers = [field["id"] for field in facts["body"]]
        assert len(set(identifiers)) == len(identifiers)
    assert "omlzoo doctor" in (PROJECT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()


def test_files_are_checked_before_a_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"good": b"a\n", "empty": b"", "windows": b"a\r\n", "open": b"a", "blank": b"a\n\n"}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    assert [Path(line.split()[0]).name for line in check_files.bad_ends(sorted(tmp_path.iterdir()))] == [
        "blank",
        "open",
    ]
    assert check_files.main(["--end", str(tmp_path / "good"), str(tmp_path / "gone")]) == 0
    with (tmp_path / "large").open("wb") as file:
        file.truncate(check_files.LARGEST + 1)
    assert check_files.main(["--size", str(tmp_path / "large"), str(tmp_path / "good")]) == 1
    assert "large has 4000001 bytes" in capsys.readouterr().out


@pytest.mark.slow
def test_a_user_of_the_wheel_sees_its_types(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    python = check_types.install(tmp_path)
    (package,) = tmp_path.rglob("site-packages/omlzoo")
    assert (package / "py.typed").is_file()
    here = {path.name for path in (PROJECT / "weights_manifest").glob("*.json")}
    assert {path.name for path in (package / "weights_manifest").glob("*.json")} == here
    revealed, faults = check_types.read_types(python, check_types.page(), tmp_path)
    assert faults == []
    assert len(revealed) == len(check_types.REVEALED)
    assert "Any" not in revealed


def test_the_metadata_say_who_and_for_what() -> None:
    project = PYPROJECT["project"]
    facts = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert [author["name"] for author in project["authors"]] == [author["name"] for author in facts["authors"]]
    assert "Programming Language :: Python :: 3.11" in project["classifiers"]
    assert "Typing :: Typed" in project["classifiers"]


@pytest.mark.parametrize("target", ["docs", "examples", "release-check", "oldest"])
def test_the_makefile_has_the_target_of_a_release(target: str) -> None:
    assert re.search(rf"^{target}:( setup)?", MAKEFILE, re.M)
    for script in re.findall(r"\$\(RUN\)/python ((?:scripts|examples)/\w+\.py)", MAKEFILE):
        assert (PROJECT / script).is_file()


def test_the_workflows_call_what_is_there_and_may_only_read() -> None:
    for path in sorted((PROJECT / ".github/workflows").glob("*.yml")):
        text = path.read_text()
        facts = yaml.safe_load(text)
        assert facts["permissions"] == {"contents": "read"}, path.name
        assert "not run by this project" in text, "a template says that it is one"
        for target in re.findall(r"run: make ([\w-]+)", text):
            assert re.search(rf"^{target}:", MAKEFILE, re.M), (path.name, target)


def test_the_container_installs_extras_and_copies_files_that_are_there() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    named = [name for extras in re.findall(r'"\.\[([\w,]+)\]"', text) for name in extras.split(",")]
    assert {"photos", "serve"} <= set(named) <= set(EXTRAS)
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.M) for name in line.split()]
    assert [name for name in copied if not (PROJECT / name).exists()] == []
    assert re.findall(r"^FROM \S+ AS (\w+)", text, re.M) == ["base", "cpu", "cuda"]
    assert text.count("\nUSER omlzoo\n") == 2, "nothing runs as root"
    ignored = (PROJECT / ".dockerignore").read_text().split()
    assert not set(copied) & set(ignored)


def test_the_table_of_versions_has_the_bounds_of_the_project() -> None:
    text = (PROJECT / "docs/company.md").read_text()
    bounds = dict(re.findall(r'^  "([\w-]+)>=([\d.]+)"', (PROJECT / "pyproject.toml").read_text(), re.M))
    for package in ("torch", "torchvision", "timm"):
        assert f"| {package} | {bounds[package]} or newer |" in text
    assert f"| numpy, pandas, pyarrow | {bounds['numpy']}, {bounds['pandas']}, {bounds['pyarrow']} or newer |" in text
    assert PYPROJECT["project"]["requires-python"] == ">=3.11"
    assert "| Python | 3.11 or newer |" in text
