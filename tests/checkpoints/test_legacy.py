"""Files of torch before 1.6 give what torch reads from them; sizes that lie take no memory."""

import struct
from pathlib import Path

import pytest
import torch
from mutations import watched

from omlzoo.checkpoints.legacy import read_legacy
from omlzoo.errors import WeightsMismatch

ROWS = torch.arange(12.0).reshape(3, 4)
STATE = {
    "a": ROWS,
    "view": ROWS[:, 1:3],
    "half": torch.ones(5, dtype=torch.float16),
    "count": torch.tensor(7),
    "none": torch.ones(0),
}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_torch_saved_is_read_as_torch_reads_it(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    torch.save(STATE, path, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    found, wanted = read_legacy(path), torch.load(path, weights_only=False)
    assert found.keys() == wanted.keys()
    assert all(found[key].dtype == wanted[key].dtype and torch.equal(found[key], wanted[key]) for key in wanted)
    assert found["view"].data_ptr() == found["a"].data_ptr() + 4, "tensors that share memory still do"


def test_sizes_that_lie_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "x", _use_new_zipfile_serialization=False)
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[:-1])
    with pytest.raises(WeightsMismatch, match="another size than it says"):
        read_legacy(tmp_path / "x")
    (tmp_path / "x").write_bytes(content[:-20] + struct.pack("<q", 2**50) + content[-12:])
    with pytest.raises(WeightsMismatch, match="another size than it says"):
        read_legacy(tmp_path / "x")
    lie = content.replace(b"K\x03Nt", b"J\xff\xff\xff\x7fNt")
    assert lie != content
    (tmp_path / "x").write_bytes(lie)
    with watched(megabytes=50), pytest.raises(WeightsMismatch, match="cut off"):
        read_legacy(tmp_path / "x")
