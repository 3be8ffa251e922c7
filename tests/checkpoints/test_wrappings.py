"""The state dict is found inside dicts and prefixes in any order, and what was taken and left is said."""

from typing import Any

import pytest
import torch
from torch import Tensor

from omlzoo.checkpoints.wrappings import Reading, readings, unreadable
from omlzoo.errors import UnknownName, WeightsMismatch

STATE = {"conv1.weight": torch.zeros(1), "layer4.0.weight": torch.zeros(2), "fc.weight": torch.zeros(3, 3)}
BODY = {key: value for key, value in STATE.items() if key != "fc.weight"}


def before(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def other(state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {key: value + 1 for key, value in state.items()}


def first(raw: dict[str, Any], key: str | None = None) -> Reading:
    return next(iter(readings(raw, "x.pth", key)))


@pytest.mark.parametrize(
    ("raw", "key", "others"),
    [
        (STATE, "", ()),
        (before("module."), "module", ()),
        (before("_orig_mod.module."), "_orig_mod.module", ()),
        ({"model": before("module.backbone.")}, "model.module.backbone", ()),
        ({"epoch": 3, "model_state_dict": STATE}, "model_state_dict", ()),
        ({"checkpoint": {"model": {"state_dict": STATE}}}, "checkpoint.model.state_dict", ()),
        ({"generator": before("net.")}, "generator.net", ()),
        ({"state_dict_ema": other(), "state_dict": STATE}, "state_dict", ("state_dict_ema",)),
        ({"model_ema": other(), "model": before("module.")}, "model.module", ("model_ema",)),
        ({"model_ema": STATE}, "model_ema", ()),
        ({"student": other(), "teacher": before("backbone.")}, "teacher.backbone", ("student",)),
        ({"state_dict": before("student.", other()) | before("teacher.")}, "state_dict.teacher", ("state_dict.student",)),
        (before("model.") | before("model_ema.", other()), "model", ("model_ema",)),
        (before("model.") | before("ema_model.module.", other()), "model", ("ema_model",)),
        ({"state_dict": STATE, "optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}}}, "state_dict", ()),
        ({"n_averaged": torch.tensor(3)} | before("module."), "module", ()),
    ],
)  # fmt: skip
def test_the_state_dict_is_found_and_the_others_are_named(raw: Any, key: str, others: tuple[str, ...]) -> None:
    found = first(raw)
    assert (found.part.key, found.others) == (key, others)
    state = found.state("x.pth")
    assert state.keys() == BODY.keys()
    assert all(torch.equal(state[name], BODY[name]) for name in BODY)


@pytest.mark.parametrize("key", ["state_dict_ema", "ema"])
def test_another_state_dict_is_taken_where_it_is_asked_for(key: str) -> None:
    raw = {"state_dict": STATE, key: before("module.", other())}
    found = first(raw, key)
    assert found.part.key == f"{key}.module"
    assert float(found.state("x.pth")["conv1.weight"]) == 1
    with pytest.raises(UnknownName, match=r"the file has no 'state_dict_em'"):
        first(raw, "state_dict_em")


def test_what_was_taken_and_left_out_is_said() -> None:
    raw = {"state_dict": before("model.") | {"criterion.weight": torch.ones(1)}, "state_dict_ema": other()}
    assert first(raw).account() == (
        "Taken from state_dict.model. Also in the file: state_dict_ema; omlzoo convert --key NAME takes another. "
        "Left out: criterion, fc (2 tensors)."
    )
    assert first(BODY).account() == ""


def test_a_head_that_the_model_has_is_kept() -> None:
    found = first(STATE)
    assert found.state("x.pth", ["fc.weight"]).keys() == STATE.keys()
    assert found.account(["fc.weight"]) == ""


def test_what_lies_beside_a_network_and_is_no_part_of_training_ends_the_reading() -> None:
    raw = before("model.") | {"neck.weight": torch.ones(1)}
    assert list(readings(raw, "x.pth")) == []
    with pytest.raises(WeightsMismatch, match=r"x\.pth: neck\.weight lies beside model .*--key model takes that part"):
        raise unreadable(raw, "x.pth")
    assert first(raw, "model").state("x.pth").keys() == BODY.keys()


def test_a_file_without_a_known_network_is_refused_with_what_it_has() -> None:
    with pytest.raises(WeightsMismatch, match=r"fits none of .*; its first keys in model are decoder\.weight"):
        raise unreadable({"model": {"decoder.weight": torch.ones(1)}}, "x.pth")
    with pytest.raises(WeightsMismatch, match="its first keys are nothing"):
        raise unreadable({}, "x.pth")


def test_dicts_that_hold_each_other_end() -> None:
    raw: dict[str, Any] = {"state_dict": STATE}
    raw["model"] = raw
    assert first(raw).part.key == "state_dict"
    deep: dict[str, Any] = {"x.y": torch.ones(1)}
    for _ in range(40):
        deep = {"a": deep, "b": deep}
    assert list(readings(deep, "x.pth")) == []
