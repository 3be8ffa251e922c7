"""omlzoo finetune: what it hands to the library for sweeps and range tests."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from omlzoo.cli import main
from omlzoo.errors import BadInput
from omlzoo.training import finetuning, rate_range


def test_a_sweep_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    def finetune(*_: Any, **given: Any) -> None:
        seen.update(given)
        raise BadInput("enough")

    monkeypatch.setattr(finetuning, "finetune", finetune)
    words = ["finetune", "x.csv", "--model", "m", "-o", str(tmp_path / "run"), "--sweep", "7"]
    assert main([*words, "--sweep-over", "lr=1e-6..1e-3", "--sweep-over", "loss=SupConLoss|TripletLoss"]) == 2
    assert (seen["sweep"], seen["sweep_over"]) == (7, {"lr": "1e-6..1e-3", "loss": "SupConLoss|TripletLoss"})
    assert main(words) == 2
    assert seen["sweep_over"] is None
    capsys.readouterr()
    assert main([*words, "--sweep-over", "lr"]) == 2
    assert "--sweep-over is 'lr'; name a setting with its values" in capsys.readouterr().err


def test_a_range_test_writes_its_curve_and_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = pd.DataFrame({"lr": [1e-7, 1e-6, 1e-5], "loss": [3.0, 2.0, 9.0], "smoothed": [3.0, 2.5, 5.0]})
    seen: dict[str, Any] = {}

    def tested(**given: Any) -> rate_range.RateRange:
        seen.update(given)
        return rate_range.RateRange(curve, None if len(seen) < 8 else 1e-7)

    monkeypatch.setattr(rate_range, "lr_range_test", tested)
    words = ["finetune", "x.csv", "--model", "m", "-o", str(tmp_path / "run"), "--lr-range", "--loss", "SupConLoss"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("lr 1.00e-07  loss 3.0000\nlr 1.00e-06  loss 2.5000\n")
    assert "run.lr_range.csv has all; no rate follows" in out
    assert (seen["model"], str(seen["table"]), seen["loss"]) == ("m", "x.csv", "SupConLoss")
    assert main([*words, "--epochs", "3", "--n-labels", "4"]) == 0
    assert "run.lr_range.csv has all; begin with --lr 1.0e-07" in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "run.lr_range.csv"), curve)
    assert not (tmp_path / "run").exists()
    assert main([*words, "--sweep", "3"]) == 2
    assert "--lr-range trains no run; leave --sweep and --resume out" in capsys.readouterr().err
