"""The computing options are flags of every command that embeds images."""

import pytest

from omlzoo.cli import main


@pytest.mark.parametrize("command", ["embed", "evaluate", "calibrate"])
def test_every_command_that_embeds_has_the_same_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("--batch-size", "--precision", "--workers", "--device", "--fast", "--runtime"):
        assert flag in text


def test_a_wrong_option_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "resnet_small_omniglot", "none.csv", "--batch-size", "0"]) == 2
    assert "batch_size is 0; it must be at least 1" in " ".join(capsys.readouterr().err.split())
