"""The token of a server: one that every client can send as it is."""

import secrets

from starlette.requests import cookie_parser

from omlzoo.errors import BadInput

__all__ = ["COOKIE", "check_token", "gives_token"]

COOKIE = "omlzoo_token"
LONGEST = 512  # characters; the cookie writes some as four, and browsers keep cookies of 4,096


def check_token(token: str | None) -> None:
    """Refuse a token that headers, cookies and addresses do not carry alike.

    Raises:
        BadInput: The token is empty, too long, or has other characters than printable ASCII, or a space at an end.
    """
    if token is None:
        return
    rule = f"it must be 1 to {LONGEST} printable ASCII characters without a space at an end"
    if not 1 <= len(token) <= LONGEST:
        raise BadInput(f"the token (--token or OMLZOO_TOKEN) has {len(token)} characters; {rule}")
    wrong = next((place for place, letter in enumerate(token, 1) if not " " <= letter <= "~"), None)
    if wrong is None and token != token.strip():
        wrong = 1 if token[0] == " " else len(token)
    if wrong is not None:
        raise BadInput(f"the token (--token or OMLZOO_TOKEN) cannot be sent: its character {wrong}; {rule}")


def gives_token(headers: dict[str, str], token: str) -> bool:
    """Whether a request gives the token, as "Authorization: Bearer TOKEN" or in the cookie that the page sets.

    Args:
        headers: The headers of the request, with names in lower case.
        token: The server's token.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    given = (bearer.strip(" ") if scheme.lower() == "bearer" else "", cookie)
    return any(secrets.compare_digest(text.encode(), token.encode()) for text in given)
