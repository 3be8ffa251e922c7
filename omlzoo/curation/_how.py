"""Whether all rows are compared with all, and the sentence that says so."""

from omlzoo.errors import notice

__all__ = ["MANY", "compares_all", "say_how", "says_how"]

MANY = 20_000  # rows above which not all are compared with all


def compares_all(rows: int, exhaustive: bool | None) -> bool:
    """Whether so many rows are all compared with all.

    Args:
        rows: Number of rows.
        exhaustive: What was asked for; None leaves it to the number of rows.
    """
    return rows <= MANY if exhaustive is None else exhaustive


def says_how(rows: int, exhaustive: bool | None = None) -> str:
    """How near-duplicates and outliers of so many rows are found, in one sentence.

    Args:
        rows: Number of rows.
        exhaustive: As in :func:`compares_all`.
    """
    if compares_all(rows, exhaustive):
        return f"all {rows:,} rows are compared with all others"
    text = f"of {rows:,} rows those are compared that a graph of neighbours proposes, and their distances are exact"
    return f"{text}; a pair may be missed"


def say_how(rows: int, exhaustive: bool | None, what: str) -> None:
    """Issue a notice, before it starts, of what takes long or may miss something.

    Args:
        rows: Number of rows; nothing is said of few.
        exhaustive: As in :func:`compares_all`.
        what: What is looked for.
    """
    if rows > MANY:
        notice(f"{what}: {says_how(rows, exhaustive)}")
