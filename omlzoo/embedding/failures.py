"""What is said of pictures that have no vector."""

from omlzoo.embedding.columns import NOT_FINITE
from omlzoo.errors import counted, notice
from omlzoo.progress import TerminalBar

__all__ = ["say_failures"]


def say_failures(errors: list[str], drawn: TerminalBar | None = None, count: int | None = None) -> None:
    """Give notice once of how many pictures have no vector, and of why the first has none.

    Args:
        errors: The errors of the rows; empty for a row that has a vector.
        drawn: The progress bar, which is cleared before the notice; by default there is none.
        count: Number of pictures that were read; the number of ``errors`` by default.
    """
    count = count or len(errors)
    unread = [error for error in errors if error and not error.endswith(NOT_FINITE)]
    computed = [error for error in errors if error.endswith(NOT_FINITE)]
    if drawn is not None and (unread or computed):
        drawn.clear()
    if unread:
        has = "has" if len(unread) == 1 else "have"
        message = f"{len(unread)} of {counted(count, 'picture')} could not be read and {has} no vector; the first: "
        notice(message + unread[0])
    if computed:
        whole = "; that is every picture: its weights or its preprocessing are at fault" * (len(computed) == count)
        has = "has" if len(computed) == 1 else "have"
        message = f"{len(computed)} of {counted(count, 'picture')} {has} no vector, the first: "
        notice(message + computed[0] + whole)
