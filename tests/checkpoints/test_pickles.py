"""Pickles give plain values and tensors, or are refused; nothing that they name is imported."""

import pickle
import pickletools
from collections import OrderedDict
from io import BytesIO
from typing import Any

import pytest
import torch

from omlzoo.checkpoints.pickles import Held, read_pickle
from omlzoo.errors import WeightsMismatch

NUMBERS = torch.arange(12.0)
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x0ctQ"
)


def numbers(key: str, dtype: torch.dtype, count: int) -> torch.Tensor:
    return NUMBERS


def read(content: bytes, **settings: Any) -> Any:
    return read_pickle(BytesIO(content), numbers, 1000, **settings)


def tensor(offset: int, size: str, stride: str) -> bytes:
    """A pickle of one tensor, whose size and stride are written in the pickle's own language."""
    return TENSOR + f"I{offset}\n({size}t({stride}t".encode() + b"\x89ccollections\nOrderedDict\n)RtR."


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back(protocol: int) -> None:
    value = {
        "a": [1, -5, 2**70, 1.5, None, True, "schön"],
        "b": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        3: {"x": {}},
    }
    assert read(pickle.dumps(value, protocol)) == value
    assert read(pickle.dumps(OrderedDict(b=1, a=2), protocol)) == {"b": 1, "a": 2}


def test_a_tensor_is_a_part_of_its_storage() -> None:
    found = read(tensor(2, "I2\nI3\n", "I4\nI1\n"))
    assert found.tolist() == [[2, 3, 4], [6, 7, 8]]
    assert read(tensor(0, "I0\nI3\n", "I3\nI1\n")).shape == (0, 3)
    assert read(tensor(7, "", "")).item() == 7


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, "I13\n", "I1\n"), (12, "I1\n", "I1\n"), (0, "I2\n", "I12\n"), (-1, "I2\n", "I1\n"), (0, "I-2\n", "I1\n"),
        (0, "I3\n", "I-1\n"), (0, "I2\n", ""), (0, "I1000000\nI1000000\n", "I0\nI0\n"), (2**62, "I1\n", "I1\n"),
        (0, "Nt(I1\n", "I1\n"), (0, "F2.0\n", "I1\n"),
    ],
)  # fmt: skip
def test_a_tensor_beyond_its_storage_is_refused(offset: int, size: str, stride: str) -> None:
    with pytest.raises((WeightsMismatch, TypeError)):
        read(tensor(offset, size, stride))


def test_tensors_together_are_bounded_by_the_size_of_the_file() -> None:
    many = b"(" + tensor(0, "I12\n", "I1\n")[:-1] * 400 + b"l."
    with pytest.raises(WeightsMismatch, match="more than 16 times the size of the file"):
        read(many)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cos\nsystem\n(X\x02\0\0\0lstR.", "its pickle has os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "its pickle has os.system"),
        (b"\x80\x04}}\x93.", "a name that is no text"),
        (b"(X\x02\0\0\0lsios\nsystem\n.", "the instruction INST"),
        (b"(cbuiltins\nset\nX\x01\0\0\0ao.", "the instruction OBJ"),
        (b"\x82\x01.", "the instruction EXT1"),
        (b"P0\n.", "the instruction PERSID"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ctorch\nfloat32\n)R.", "a call of torch.float32"),
        (b"]K\x01K\x02s.", "a key for what is no dict"),
        (b"}]K\x01s.", "neither a text nor a number"),
        (b"K\x01K\x02a.", "an item for what is no list"),
        (b"K\x01K\x02b.", "a state for what is no object"),
        (b"K\x01K\x02R.", "a call of what is no function"),
        (b"c__torch__\nM\n.", "__torch__.M"),
        (b"}", "no end|premature|exhausted"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_name(content: bytes, said: str) -> None:
    with pytest.raises((WeightsMismatch, ValueError), match=said):
        read(content)


def test_a_pickle_without_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.checkpoints.pickles.MOST", 1000)
    with pytest.raises(WeightsMismatch, match="more than 1,000 instructions"):
        read(b"N0" * 2000 + b"N.")


def test_classes_of_torchscript_are_held_and_not_made() -> None:
    found = read(b"c__torch__.a\nM\n)\x81}X\x01\0\0\0wK\x05sb.", scripted=True)
    assert found == Held("__torch__.a.M", {"w": 5})
    with pytest.raises(WeightsMismatch, match="os.system"):
        read(b"cos\nsystem\n.", scripted=True)


def test_every_instruction_that_python_writes_for_plain_values_is_known() -> None:
    value = {"t": (1, "x" * 300, b"y", b"z" * 300, bytearray(b"q")), "l": list(range(300)), "n": 2**3000, "f": 0.5}
    written = {
        code.name for protocol in range(2, 6) for code, _, _ in pickletools.genops(pickle.dumps(value["l"], protocol))
    }
    assert {"APPENDS", "MEMOIZE", "BINPUT", "FRAME"} <= written
    for protocol in (3, 4, 5):
        found = read(pickle.dumps({key: value[key] for key in ("l", "n", "f")}, protocol))
        assert found == {key: value[key] for key in ("l", "n", "f")}
