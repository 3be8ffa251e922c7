"""What omlzoo recommend prints: a line for each, or one JSON document."""

import json

import pytest

from omlzoo.cli import main
from omlzoo.zoo.recommending import recommend


@pytest.mark.parametrize("flags", [[], ["--cpu"], ["--commercial"], ["--cpu", "--commercial", "--count", "2"]])
def test_names_and_reasons_are_those_of_the_library(capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    count = 2 if "--count" in flags else 3
    wanted = recommend("products", cpu="--cpu" in flags, commercial="--commercial" in flags, count=count)
    assert main(["recommend", "--task", "products", *flags]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "why"]
    assert [line.split(maxsplit=1) for line in lines] == [[one.name, "; ".join(one.reasons)] for one in wanted]
    assert main(["recommend", "--task", "products", *flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == [{"name": one.name, "reasons": list(one.reasons)} for one in wanted]


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "give --task, one of products, animals"), (["--task", "shoes"], "task is 'shoes'; it must be one of products, animals"),
    (["--task", "products", "--count", "0"], "count is 0"), (["--task", "faces", "--offline"], "no checkpoint of the zoo passes for faces"),
])  # fmt: skip
def test_what_cannot_be_answered_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["recommend", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
