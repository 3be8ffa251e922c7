"""Addresses as they are shown and kept: without the password that may stand in them."""

import re
from urllib.parse import unquote

__all__ = ["said_without", "without_password"]

SAID = 200  # characters of what a client says that are repeated
LONG = 4  # letters from which on a part of a secret is one too, and no word of the message by chance
SECRET = re.compile(r"^([^:/?#]*://[^:/@]*):(.*)@", re.DOTALL)  # to the last @: a password may have one, or / ? #


def without_password(address: str) -> str:
    """An address without the password that stands before its host; any other text as it is.

    A port is no password: where an @ comes later, in a path, the rest up to it is taken out rather than shown.

    Args:
        address: The address.
    """
    return SECRET.sub(r"\1@", address, count=1)


def said_without(error: Exception, address: str, *secrets: str) -> str:
    """The first line of what a client says, or the name of the error, without passwords.

    Args:
        error: What it raised.
        address: The address that it was given.
        secrets: What else must not be repeated; empty texts are passed over.
    """
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    found = SECRET.match(address)
    for secret in (*((found[2], unquote(found[2])) if found else ()), *secrets):
        for part in (secret, *(each for each in secret.split(":") if len(each) >= LONG)):
            said = said.replace(part, "***") if part else said
    return said[:SAID]
