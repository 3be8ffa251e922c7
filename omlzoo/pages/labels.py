"""Labels and other text of users as pages and figures show them: readable, and no longer than there is room for."""

import re

__all__ = ["LONGEST", "readable", "shortened"]

LONGEST = 80  # characters of a label on a page

# What a page cannot hold or what would steer it: control characters, halves of a pair, marks that turn the direction.
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def readable(text: str) -> str:
    """The text with characters that cannot be shown written as escapes, such as ``\\u0000``."""
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shortened(text: object, most: int = LONGEST) -> str:
    """A label in one readable line, cut after ``most`` characters.

    Args:
        text: The label.
        most: How many characters are shown, the three dots that mark a cut included.
    """
    line = readable(" ".join(str(text)[: 2 * most].split()))
    return line if len(line) <= most else line[: most - 3] + "..."
