"""What a run says once: pictures that cannot be read, batches that teach nothing."""

import pytest

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.training.loop import EpochSummary
from omlzoo.training.notices import of_epoch, what_chose


def test_pictures_are_said_once_and_too_many_stop_the_run() -> None:
    summary = EpochSummary(batches=5, trained=5, pictures=95, skipped={3: "broken"}, failures=5)
    with pytest.warns(
        OmlzooWarning, match="1 pictures could not be read and are skipped in training; the first: broken"
    ):
        assert of_epoch(0, summary, {}, 0.1) == {3: "broken"}
    assert of_epoch(1, summary, {3: "broken"}, 0.1) == {}
    with pytest.raises(
        BadInput, match=r"5.0% of the pictures of epoch 2 could not be read, more than unreadable, 1.0%"
    ):
        of_epoch(1, summary, {}, 0.01)
    with pytest.raises(BadInput, match="no picture of epoch 1 could be read"):
        of_epoch(0, EpochSummary(skipped={0: "broken"}, failures=1), {}, 1.0)


def test_an_epoch_without_pairs_is_said() -> None:
    summary = EpochSummary(batches=2, trained=2, pictures=8, totals={"empty_batches": 2.0})
    with pytest.warns(OmlzooWarning, match="no batch of the first epoch had anything to learn from"):
        of_epoch(0, summary, {}, 0.1)


def test_what_chose_the_epoch_is_said() -> None:
    assert what_chose(None, "map@r") == "nothing: the last epoch is kept"
