"""Which classes a user's word allows: the package named and what is in it, nothing beside it."""

import pytest

from omlzoo.errors import BadInput
from omlzoo.models._trust import PROCESS, as_packages, handed_over, is_trusted, trusting

PATH = "mypackage.nets.Net"


@pytest.mark.parametrize("trust", ["mypackage", "mypackage.nets", "mypackage.nets.Net", ["other", "mypackage"]])
def test_a_package_a_module_or_the_class_is_named(trust: str | list[str]) -> None:
    assert not is_trusted(PATH)
    with trusting(trust):
        assert is_trusted(PATH)
    assert not is_trusted(PATH)


@pytest.mark.parametrize("trust", [None, "my", "mypackage.net", "mypackage.nets.N", "nets", "os", []])
def test_a_part_of_a_name_allows_nothing(trust: str | list[str] | None) -> None:
    with trusting(trust):
        assert not is_trusted(PATH)


@pytest.mark.parametrize(
    "trust", [True, False, "", "*", ".", "my*", "../mypackage", "my package", [True], ["", "a"], 1, b"a"]
)
def test_what_is_no_name_is_refused(trust: object) -> None:
    with pytest.raises(BadInput, match="must name the package"):
        as_packages(trust)  # type: ignore[arg-type]


def test_a_module_is_handed_over_for_one_call() -> None:
    with trusting(None, dict):  # type: ignore[arg-type]
        assert handed_over() is dict
    assert handed_over() is None


def test_a_process_trusts_until_it_forgets() -> None:
    PROCESS.add("mypackage")
    try:
        assert is_trusted(PATH)
    finally:
        PROCESS.clear()
    assert not is_trusted(PATH)
