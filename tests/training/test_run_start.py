"""Whether a run begins, goes on or is finished, and what it starts from."""

from pathlib import Path

import pytest

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor
from omlzoo.training.run_start import open_start, run_state


def test_the_state_of_a_folder(tmp_path: Path) -> None:
    assert run_state(tmp_path / "none", False) == (False, False)
    with pytest.warns(OmlzooWarning, match="none has no saved state; the run begins"):
        assert run_state(tmp_path / "none", True) == (False, False)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/last.ckpt").touch()
    assert run_state(tmp_path / "begun", True) == (False, True)
    with pytest.raises(BadInput, match="holds an unfinished run; go on with resume"):
        run_state(tmp_path / "begun", False)
    (tmp_path / "ended").mkdir()
    (tmp_path / "ended/report.json").touch()
    assert run_state(tmp_path / "ended", True) == (True, False)
    with pytest.raises(BadInput, match="ended"):
        run_state(tmp_path / "ended", False)


def test_what_a_run_starts_from(model: Extractor) -> None:
    assert open_start(model, False) is model
    with pytest.raises(BadInput, match="leave scratch out"):
        open_start(model, True)
    with pytest.warns(OmlzooWarning, match="resnet_small_omniglot starts from random weights"):
        assert open_start("resnet_small_omniglot", True).dim == 512  # type: ignore[union-attr]
