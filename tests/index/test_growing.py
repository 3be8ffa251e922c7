"""Room behind vectors is used once, by whoever has the last of them."""

import numpy as np

from omlzoo.index.growing import Growing


def test_rows_are_written_behind_those_that_are_kept() -> None:
    first = np.arange(6, dtype=np.float32).reshape(3, 2)
    growing = Growing.room_for(first, 2)
    assert growing.fits(3, 2)
    assert not growing.fits(3, len(growing.buffer))
    failed = growing.extended(np.full((2, 2), 7, dtype=np.float32))
    assert growing.fits(3, 2), "nothing was kept"
    more = growing.extended(np.full((1, 2), 8, dtype=np.float32))
    growing.keep(len(more))
    assert more.tolist() == [[0, 1], [2, 3], [4, 5], [8, 8]]
    assert failed.base is more.base
    assert not growing.fits(3, 1), "the room behind the first three is another's"
    assert first.tolist() == [[0, 1], [2, 3], [4, 5]]
