"""Which checkpoints are listed, in lines of 100 columns, as JSON, or as a page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.cli import main
from omlzoo.cli.list_command import fitted, list_command
from omlzoo.zoo.overview import overview


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["list", *arguments]) == 0
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]


def test_pinned_ones_are_those_with_commit_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    pinned, others = omlzoo.list_models(pinned=True), omlzoo.list_models(pinned=False)
    assert sorted(pinned + others) == omlzoo.list_models()
    assert {"resnet_small_omniglot", "vits14_dinov2", "resnet18_a1", "vitb14_reg_dinov2"} <= set(pinned)
    assert {"resnet34_a1", "vits16_dino"} <= set(others)  # a hash without commit, and neither
    list_command(pinned=True, json=True)
    rows = {row["name"]: row["pin"] for row in json.loads(capsys.readouterr().out)}
    assert sorted(rows) == pinned
    assert set(rows.values()) == {"measured", "two sources", "one source"}
    assert (rows["vits14_dinov2"], rows["vitb14_reg_dinov2"]) == ("two sources", "one source")
    list_command("vitb14_reg*", pinned=True)
    assert "one source" in capsys.readouterr().out
    list_command("vits16_dino", pinned=False)
    assert "unpinned" in capsys.readouterr().out


def test_every_line_fits_into_100_columns_and_no_name_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    list_command()
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "task", "dim", "params", "licence", "published", "img/s"]
    assert [line.split()[0] for line in lines] == list(manifest.names())
    assert max(map(len, [head, *lines])) <= 100


def test_a_line_has_the_facts_and_the_figure_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    speed = next(one.speed for one in overview("vits16_dino"))
    list_command("vits16_dino")
    wanted = ["vits16_dino", "products", "+3", "384", "21.7M", "apache-2.0", "0.648", "SOP", "OML", f"{speed:g}"]
    assert capsys.readouterr().out.splitlines()[1].split() == wanted
    list_command("vits16_dino", task="animals")
    assert capsys.readouterr().out.splitlines()[1].split()[1] == "animals"
    list_command("megadescriptor_l_384")
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["-", "-"]


def test_licences_give_way_where_names_take_the_room() -> None:
    head = ["name", "task", "dim", "params", "licence", "published", "img/s"]
    row = ["n" * 34, "general", "384", "21.7M", "a-long-licence-1.0", "0.921 In-Shop authors", "9.12"]
    (cells,) = fitted(head, [row])
    assert cells[4] == "a-long-lic.."
    assert sum(map(len, cells)) + 2 * 6 <= 100
    assert fitted(head, [["short", *row[1:]]]) == [["short", *row[1:]]]


@pytest.mark.parametrize(("arguments", "filters"), [
    (["--task", "animals"], {"task": "animals"}), (["--text"], {"text": True}), (["--no-text", "vit*"], {"text": False, "pattern": "vit*"}),
    (["--max-params", "25M"], {"max_params": 25e6}), (["--min-speed", "5"], {"min_speed": 5.0}), (["--offline"], {"offline": True}),
    (["--family", "moco", "--license", "cc-by-nc-4.0"], {"family": "moco", "license": "cc-by-nc-4.0"}),
    (["--commercial", "--task", "products", "--min-speed", "2"], {"commercial": True, "task": "products", "min_speed": 2}),
])  # fmt: skip
def test_filters_are_those_of_the_overview(
    capsys: pytest.CaptureFixture[str], arguments: list[str], filters: dict[str, object]
) -> None:
    names = [one.entry.name for one in overview(**filters)]  # type: ignore[arg-type]
    assert names
    assert listed(capsys, *arguments) == names
    assert main(["list", *arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == names
    assert {"tasks", "flops", "images_per_second", "offline", "text", "size", "metrics", "license"} <= set(rows[0])


@pytest.mark.parametrize(("arguments", "message"), [
    (["--task", "shoes"], "it must be one of products, animals"), (["--max-params", "many"], "a number such as 30M"),
    (["--html", "."], ". is a folder; give the name of a file"),
    (["--min-speed", "0"], "must be a positive number"), (["--family", "dinov"], "did you mean dino"), (["--min-speed", "fast"], "unable to convert"),
])  # fmt: skip
def test_wrong_filters_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["list", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_a_page_is_written_whole_with_what_is_here(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["list", "resnet*", "--html", str(tmp_path / "zoo.html")]) == 0
    page = (tmp_path / "zoo.html").read_text()
    assert capsys.readouterr().out == ""
    assert page.count('<th scope="row">') == len(omlzoo.list_models("resnet*"))
    assert 'data-name="here" data-value="yes">bundled' in page
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.html"]


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--json"], ["list", "--offline"], ["recommend", "--task", "general"]]
)
def test_looking_at_the_zoo_loads_no_torch(command: list[str]) -> None:
    code = f"import sys; from omlzoo.cli import main; main({command!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
