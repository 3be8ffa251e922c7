"""The answer says in plain words what the numbers say."""

import pytest

from omlzoo.evaluation.answer import answer, answering, of_hundred
from omlzoo.metrics.bootstrap import Comparison

METRICS = {"cmc@1": 0.93, "cmc@5": 0.96, "cmc@10": 0.98, "r_precision": 0.71, "queries": 50}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.93, "93"),
        (0.936, "94"),
        (0.997, "99.7"),
        (0.99999, "99.9"),
        (0.004, "0.4"),
        (1e-9, "0.1"),
    ],
)
def test_nothing_and_all_are_said_only_where_they_are_true(value: float, said: str) -> None:
    assert of_hundred(value) == said


def test_three_numbers_in_words() -> None:
    first, among, pictures = answer(METRICS, {"cmc@1": (0.91, 0.95)})
    assert first.value == "93.0"
    assert first.sentence == "Of 100 searches, 93 find the right item first; the truth lies between 91 and 95."
    assert among.sentence == "Of 100 searches, 98 have the right item among the first 10."
    assert (
        [each.metric for each in (first, among, pictures)] == answering(METRICS) == ["cmc@1", "cmc@10", "r_precision"]
    )
    assert [bar.interval for bar in (first.bars[0], among.bars[0])] == [(0.91, 0.95), None]


def test_before_and_baselines_stand_beside_it() -> None:
    first = answer(
        METRICS, {"cmc@1": (0.91, 0.95)}, {"cmc@1": 0.8}, {"cmc@1": (0.7, 0.9)},
        {"cmc@1": Comparison(0.13, 0.1, 0.16, 8, 1, 41)}, {"raw pixels": {"cmc@1": 0.2}, "colours": {"other": 0.1}},
    )[0]  # fmt: skip
    assert [(bar.name, bar.value, bar.role) for bar in first.bars] == [
        ("after", 0.93, "main"), ("before", 0.8, "before"), ("raw pixels", 0.2, "baseline"),
    ]  # fmt: skip
    assert first.bars[1].interval == (0.7, 0.9)
    assert first.sentence.endswith("That is 13.0 more than before (between +10.0 and +16.0).")


@pytest.mark.parametrize(
    ("change", "said"),
    [((-0.02, -0.03, -0.01), "That is 2.0 fewer than before (between -3.0 and -1.0)."),
     ((0.01, -0.01, 0.03), "Whether that is more or less than before cannot be told: between -1.0 and +3.0.")],
)  # fmt: skip
def test_a_difference_is_no_more_than_its_interval(change: tuple[float, float, float], said: str) -> None:
    found = {"cmc@1": Comparison(*change, 1, 1, 1)}
    assert answer(METRICS, {}, {"cmc@1": 0.9}, None, found)[0].sentence.endswith(said)


def test_what_was_not_measured_is_not_said() -> None:
    assert answer({"cmc@1": float("nan"), "r_precision": float("nan"), "queries": 0}, {}) == []
    assert [each.title for each in answer({"cmc@3": 0.5}, {})] == ["Right item among the first 3"]
