"""A heading says what is known, and nothing else."""

from omlzoo.pages.parts import Card, Heading, Row


def test_facts_that_are_not_known_are_left_out() -> None:
    assert [name for name, _ in Heading("Hits", date="", command="").facts()] == ["version"]
    assert dict(Heading("Hits", "m", "t.csv", "omlzoo x", "2026-01-02").facts())["date"] == "2026-01-02"


def test_a_row_has_no_hits_before_unless_there_was_a_model_before() -> None:
    assert Row(Card(None, "a"), []).before == ()
