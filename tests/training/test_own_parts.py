"""Own parts by object and by name: what is imported is what the user named in this call, and never what a file says."""

import sys
from pathlib import Path
from typing import Any

import pytest

from omlzoo.errors import BadInput, UnknownName
from omlzoo.losses import SupConLoss
from omlzoo.models._trust import trusting
from omlzoo.training import EarlyStopping, Recipe
from omlzoo.training.own_parts import (
    OwnPart,
    calling,
    from_worker,
    is_own,
    make_part,
    own_part,
    spelt,
    takes,
    trusted_part,
)  # fmt: skip


class Base:
    def __init__(self, scale: float = 1.0, **more: Any) -> None:
        self.scale = scale


class Derived(Base):
    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim = dim


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's own, which says when it is imported."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "import builtins\n"
        f"builtins.imported_{name} = True\n"
        "class Mine:\n"
        "    def __init__(self, margin=0.5, dim=0):\n"
        "        self.margin, self.dim = margin, dim\n"
        "class Broken:\n"
        "    def __init__(self):\n"
        "        raise RuntimeError('first line\\nsecond')\n"
        "here = Mine(0.7)\n"
    )
    monkeypatch.chdir(tmp_path)  # found beside the user's files
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    return name


def was_imported(name: str) -> bool:
    import builtins

    return hasattr(builtins, f"imported_{name}")


def test_texts_are_taken_apart() -> None:
    assert spelt("a.b:C", "loss") == ("a.b", "C", None, "")
    assert spelt("a.b:C.d(x=1, y=[0.5, 'no'], z=None)#0a1b", "loss") == (
        "a.b", "C.d", {"x": 1, "y": [0.5, "no"], "z": None}, "#0a1b"
    )  # fmt: skip
    for wrong in ("a.b", "a.b:C(1)", "a.b:C(x=open('f'))", "a.b:C(x=1); import os", "a/b:C", "a:C(**x)"):
        with pytest.raises(BadInput, match="loss is .*; it must be module:Name"):
            spelt(wrong, "loss")


def test_a_name_in_a_file_is_only_a_name(package: str) -> None:
    text = f"{package}:Mine(margin=0.3)"
    with pytest.raises(BadInput, match=f"loss is '{package}:Mine.*a name in a file.*--trust {package}"):
        trusted_part(text, "loss")
    assert not was_imported(package)
    with trusting("another"), pytest.raises(BadInput, match="a name in a file"):
        trusted_part(text, "loss")
    assert not was_imported(package)
    with trusting(package):
        assert make_part(text, "loss", {"dim": 4, "n_labels": 2}).__dict__ == {"margin": 0.3, "dim": 4}
    assert was_imported(package)


def test_a_name_that_the_user_gives_is_imported_and_a_recipe_file_is_not(package: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(f'loss = "{package}:Mine"\ncallbacks = ["{package}:Mine"]\n')
    recipe = Recipe.read(tmp_path / "recipe.toml")
    assert not was_imported(package)
    assert (recipe.loss, recipe.miner, recipe.own()) == (f"{package}:Mine", "none", [])
    named = Recipe().changed({"loss": f"{package}:here", "callbacks": [f"{package}:Mine(margin=1)"]})
    assert was_imported(package)
    assert [(setting, str(part)) for setting, part in named.own()] == [
        ("loss", f"{package}:here"), ("callbacks", f"{package}:Mine(margin=1)")
    ]  # fmt: skip
    assert make_part(named.loss, "loss", {}).margin == 0.7
    assert Recipe().changed({"loss": named.loss}).to_toml() == Recipe().changed({"loss": f"{package}:here"}).to_toml()


@pytest.mark.parametrize(("text", "message"), [
    ("no_such_module_here:Mine", "no_such_module_here cannot be imported: ModuleNotFoundError"),
    ("{package}:Missing", "has no Missing; check the name"),
])  # fmt: skip
def test_names_that_lead_nowhere_are_refused(package: str, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        Recipe().changed({"loss": text.format(package=package)})
    assert "\n" not in str(caught.value)


def test_an_object_becomes_a_text_that_carries_it_and_is_copied_when_it_is_made() -> None:
    loss = SupConLoss(0.2)
    recipe = Recipe(loss=loss)  # type: ignore[arg-type]
    assert isinstance(recipe.loss, OwnPart)
    assert recipe.loss.thing is loss
    made = make_part(recipe.loss, "loss", {})
    assert made is not loss
    assert made.temperature == 0.2
    stopping = EarlyStopping()
    assert make_part(Recipe(callbacks=[stopping]).callbacks[0], "callbacks", {}) is stopping  # type: ignore[list-item]


def test_a_recipe_of_an_object_survives_its_file_where_name_and_arguments_make_it_again(tmp_path: Path) -> None:
    recipe = Recipe(loss=SupConLoss(0.2))  # type: ignore[arg-type]
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    again = Recipe.read(tmp_path / "recipe.toml")
    assert again.to_toml() == recipe.to_toml()
    assert make_part(again.loss, "loss", {}).temperature == 0.2  # omlzoo itself is trusted
    spoiled = SupConLoss(0.2)
    spoiled.extra = 3  # what the constructor does not know
    with pytest.raises(BadInput, match="is another than the one that was handed over; hand over the same object again"):
        make_part(str(own_part(spoiled, "loss")), "loss", {})


def test_settings_that_are_neither_known_nor_own_are_refused() -> None:
    with pytest.raises(BadInput, match=r"sampler is 'Balancd'; it must be one of Balanced, .*, or module:Name"):
        Recipe(sampler="Balancd")
    with pytest.raises(BadInput, match="callbacks has 'EarlyStopping'; it must be module:Name"):
        Recipe(callbacks=["EarlyStopping"])
    with pytest.raises(BadInput, match="callbacks is 3; it must be a list"):
        Recipe(callbacks=3)  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        Recipe().changed({"los": "a:b"})


def test_arguments_of_bases_are_taken_too() -> None:
    assert takes(Derived) == {"dim", "scale"}
    assert takes(lambda x, *, y: 0) == {"x", "y"}
    made = make_part(own_part(Derived, "loss"), "loss", {"dim": 3, "scale": 2.0, "other": 1})
    assert (made.dim, made.scale) == (3, 2.0)


def test_what_a_users_code_raises_is_one_line(package: str) -> None:
    with pytest.raises(BadInput, match=r"^loss .*:Broken cannot be made: RuntimeError: first line$"):
        make_part(Recipe().changed({"loss": f"{package}:Broken"}).loss, "loss", {})
    with pytest.raises(KeyboardInterrupt), calling("loss", "x"):
        raise KeyboardInterrupt
    text = "Caught BadInput in DataLoader worker process 0.\nOriginal Traceback:\n  ...\nomlzoo.errors.BadInput: augment x\n"
    assert from_worker(BadInput(text)) == "augment x"
    assert from_worker(BadInput("plain")) == "plain"


def test_is_own() -> None:
    assert is_own("a:b")
    assert not is_own("TripletLoss")


@pytest.mark.parametrize("text", [
    "omlzoo.training.defaults:os.getcwd()", "omlzoo.training.own_parts:sys.exit()", "omlzoo.zoo.exporting:export(model='x')",
    "omlzoo.training.defaults:os", "omlzoo.files:new_file(path='x')", "trusted_of_mine:getcwd()", "trusted_of_mine:os.getcwd()",
    "trusted_of_mine:os", "trusted_of_mine:HANDED",
])  # fmt: skip
def test_a_file_names_nothing_through_a_trusted_module(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trusted_of_mine.py").write_text(
        "import os\nfrom os import getcwd\nfrom omlzoo.jsonio import to_json as HANDED\n"
        "class Mine:\n    def __init__(self, **arguments): pass\n    def __call__(self, embeddings, labels): return 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with trusting("trusted_of_mine"):
        assert trusted_part("trusted_of_mine:Mine()", "loss").thing.__name__ == "Mine"
        assert trusted_part("omlzoo.losses.supcon:SupConLoss(temperature=0.2)", "loss").thing.__name__ == "SupConLoss"
        assert (
            trusted_part("omlzoo.training:EarlyStopping(metric='cmc@1')", "callbacks").thing.__name__ == "EarlyStopping"
        )
        with pytest.raises(BadInput, match="a name in a file that leads to"):
            trusted_part(text, "loss")
