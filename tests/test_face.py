"""What a user types: light to import, complete to look at, helpful when mistyped."""

import subprocess
import sys

import pytest

import omlzoo
from omlzoo.checkpoints import manifest


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_and_listing_loads_nothing_heavy() -> None:
    code = "import sys, omlzoo; omlzoo.list_models(); omlzoo.get_weights('vits16_inshop').metrics; "
    code += "print([m for m in ('torch', 'timm', 'pandas', 'numpy', 'huggingface_hub', 'PIL') if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_dir_lists_acts_and_checkpoints() -> None:
    listed = dir(omlzoo)
    assert {"embed", "build_index", "open_index", "evaluate", "finetune", "get_model", "list_models"} <= set(listed)
    assert set(manifest.names()) <= set(listed)


@pytest.mark.parametrize("name", sorted(omlzoo.ACTS))
def test_every_act_is_there(name: str) -> None:
    assert callable(getattr(omlzoo, name))


def test_an_act_and_a_module_never_share_a_name() -> None:
    modules = {path.stem for path in manifest.folder().parent.joinpath("omlzoo").iterdir()}
    assert not modules & set(omlzoo.ACTS)


def test_a_mistyped_name_is_answered_with_near_ones() -> None:
    with pytest.raises(AttributeError, match="did you mean vits16_inshop"):
        omlzoo.vits16_inshp  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean evaluate"):
        omlzoo.evaluat  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(omlzoo, "__wrapped__")


def test_rooms_offer_what_their_files_list() -> None:
    from omlzoo import losses

    assert "TripletLoss" in dir(losses)
    with pytest.raises(AttributeError, match="did you mean TripletLoss"):
        losses.TripleLoss  # type: ignore[attr-defined]  # noqa: B018


def test_the_stubs_are_up_to_date() -> None:
    import stubs

    assert not [path for path, text in stubs.stubs().items() if path.read_text() != text], "run scripts/stubs.py"
