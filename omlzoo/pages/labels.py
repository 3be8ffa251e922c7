"""Labels and other text of users as pages, figures and terminals show them: readable, and as long as there is room."""

import re

__all__ = ["LONGEST", "readable", "shortened"]

LONGEST = 80  # characters of a label on a page

# What would steer a page or a terminal, or what neither can hold: control characters but for tab and newline, marks
# that turn the direction of writing, halves of a pair.
STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def readable(text: str) -> str:
    """The text with characters that cannot be shown written as JSON's escapes, such as ``\\u0000``."""
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shortened(text: object, most: int = LONGEST) -> str:
    """A label in one readable line, cut after ``most`` characters.

    Args:
        text: The label.
        most: How many characters are shown, the three dots that mark a cut included.
    """
    line = readable(" ".join(str(text)[: 2 * most].split()))
    return line if len(line) <= most else line[: most - 3] + "..."
