"""Reading a file of weights that has the keys of the zoo, or a foreign layout."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from omlzoo.checkpoints import layouts, safe_load, wrappings
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.state_dict import check_finite
from omlzoo.errors import BadInput, notice
from omlzoo.models._timm_names import TIMM
from omlzoo.zoo.examples import Example, match

__all__ = ["read_foreign"]


def read_foreign(path: Path, entry: Entry, wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Read a file with the keys of the zoo, or in a foreign layout, which is recognised and named in a notice.

    Args:
        path: The file.
        entry: The entry of the model that is to take the weights.
        wanted: The state dict of that model.

    Raises:
        BadInput: There is no such file.
        WeightsMismatch: It is in no known layout, or holds NaN or infinity.
    """
    if not path.is_file():
        raise BadInput(
            f"{path}: there is no such file; weights is 'DEFAULT', None, a Weights, a file or hf-hub:org/repo"
        )
    raw = safe_load.open_file(path, str(path))
    state: Mapping[str, Tensor] = {key: value for key, value in raw.items() if isinstance(value, torch.Tensor)}
    if state.keys() != wanted.keys() and entry.arch.startswith(TIMM):
        found, state = layouts.convert(raw, layouts.TIMM, str(path)), layouts.of_timm(raw, entry, wanted)
        left = ", ".join(sorted(found.keys() - state.keys())[:4])
        notice(f"{path} was read in the layout timm" + (f"; left out: {left}" if left else ""))
    elif state.keys() != wanted.keys():
        reading = match(wrappings.readings(raw, str(path)), [Example(entry, wanted)], str(path))
        if reading is None:
            raise wrappings.unreadable(raw, str(path))
        notice(f"{path} was read in the layout {reading.reading.layout}. {reading.reading.account(wanted)}".strip())
        state = reading.state
    check_finite(state, str(path))
    return state
