"""Text that cannot be written to a file: Python has lone surrogates for bytes of a file name that are not UTF-8."""

__all__ = ["escaped", "is_writable"]


def is_writable(text: str) -> bool:
    """Whether text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(text: str) -> str:
    """The text with what cannot be written as an escape such as ``\\xff``, or ``\\ud800`` where it is no byte."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
