"""Addresses as they are shown and kept: without the password that may stand in them."""

from urllib.parse import urlsplit

__all__ = ["without_password"]


def without_password(address: str) -> str:
    """An address without the password that stands before its host; any other text as it is."""
    if "://" not in address:
        return address
    try:
        netloc = urlsplit(address).netloc
    except ValueError:
        return address
    user, at, host = netloc.rpartition("@")
    return address.replace(netloc, user.partition(":")[0] + at + host, 1) if ":" in user else address
