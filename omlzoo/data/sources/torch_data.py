"""Pictures of a dataset or a loader of torch, in its order."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omlzoo.data.sources._items import is_one_picture, items_of
from omlzoo.data.sources._opened import Stream
from omlzoo.data.sources._pixels import is_array

__all__ = ["torch_items"]


def torch_items(source: object, root: Path) -> Stream | None:
    """The items of a ``torch.utils.data.Dataset`` or ``DataLoader``; None for anything else.

    Of an item the first picture or tensor is taken, and an integer or text beside it is its label. A batch of a loader
    is taken apart into its items. An item that raises is a row with an error.

    Args:
        source: The dataset or loader.
        root: Where relative paths start.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    data, name = torch.utils.data, f"the {type(source).__name__}"
    if isinstance(source, data.DataLoader):
        batched = source.batch_sampler is not None
        values: Iterable[Any] = _unbatched(source) if batched else source
        return Stream(items_of(values, name, root), name, _length(source.dataset) if batched else None)
    if not isinstance(source, data.Dataset):
        return None
    count = _length(source)
    if isinstance(source, data.IterableDataset) or count is None:
        return Stream(items_of(source, name, root), name, count)
    return Stream(items_of(_asked(source, count), name, root, count), name, count)


def _length(source: Any) -> int | None:
    try:
        return len(source)
    except TypeError:
        return None


def _asked(source: Any, count: int) -> Iterator[Any]:
    """Each item, or what it raises."""
    for number in range(count):
        try:
            yield source[number]
        except Exception as error:  # code of anyone's
            yield error


def _unbatched(batches: Iterable[Any]) -> Iterator[Any]:
    """The items of batches, as torch's own collation puts them together, or as lists of items."""
    for batch in batches:
        if isinstance(batch, Mapping):
            columns = list(batch.values())
            for number in range(_height(columns) or 0):
                yield {key: _at(column, number) for key, column in batch.items()}
            continue
        height = None if is_array(batch) else _height(list(batch))
        if height is None:
            yield from batch
        else:
            yield from (tuple(_at(column, number) for column in batch) for number in range(height))


def _height(columns: list[Any]) -> int | None:
    """The number of items where the parts of a batch are columns: pictures, and as many labels; else None."""
    stacked = [column for column in columns if is_array(column) and column.ndim == 4]
    if stacked:
        return len(stacked[0])
    listed = [
        isinstance(column, list | tuple) and bool(column) and all(map(is_one_picture, column)) for column in columns
    ]
    return None if all(listed) or not any(listed) else len(columns[listed.index(True)])


def _at(column: Any, number: int) -> Any:
    return column[number] if is_array(column) or isinstance(column, list | tuple) else column
