"""A token works alike in the page, the cookie and the header, or is refused when the server starts."""

import string
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from omlzoo.errors import BadInput
from omlzoo.index.index import Index
from omlzoo.serving.application import application
from omlzoo.serving.limits import Limits
from omlzoo.serving.tokens import check_token, gives_token

PRINTABLE = "".join(map(chr, range(ord(" "), ord("~") + 1)))
FREE = Limits(per_second=1e6, burst=10**6)


@pytest.mark.parametrize(
    "token", ["", " ", " a", "a ", "a\tb", "a\nb", "a\r\nX: y", "\0", "\x7f", "ä", "日本", "é", "\ud800", "x" * 513]
)
def test_what_cannot_be_sent_everywhere_is_refused(token: str, small: Index) -> None:
    for refused in (lambda: check_token(token), lambda: application(small, token=token)):
        with pytest.raises(BadInput, match="1 to 512 printable ASCII characters") as refusal:
            refused()
        assert str(refusal.value).isascii()
        assert len(token) < 3 or token not in str(refusal.value)


def test_every_printable_token_works_everywhere(small: Index) -> None:
    tokens = [f"a{letter}b" for letter in PRINTABLE] + ['"', ";", ",", "\\", "="]
    tokens += [PRINTABLE.strip(), PRINTABLE.strip()[::-1], '"quoted"', "a%41+b", "a=b; c", "\\054", "~" * 512, "a  b"]
    app = application(small, limits=FREE, token="replaced")
    with TestClient(app) as client:
        gate = app.middleware_stack
        while type(gate).__name__ != "Gate":
            gate = gate.app  # type: ignore[union-attr]
        for token in tokens:
            check_token(token)
            app.state.token = gate.token = token  # type: ignore[union-attr]
            client.cookies.clear()
            assert client.get("/facts").status_code == 401, token
            given = client.get(f"/?token={quote(token, safe='')}").headers["set-cookie"].partition("; HttpOnly")[0]
            client.cookies.clear()  # and sent by hand, because http.cookiejar changes some
            assert client.get("/facts", headers={"Cookie": given}).status_code == 200, token
            assert client.get("/facts", headers={"Cookie": f"a=b; {given}; c=d"}).status_code == 200, token
            assert client.get("/facts", headers={"Authorization": f"Bearer {token}"}).status_code == 200, token


def test_the_name_of_the_scheme_has_no_case_and_others_give_nothing() -> None:
    assert gives_token({"authorization": "bearer  secret"}, "secret")
    assert not gives_token({"authorization": "Basic secret"}, "secret")
    assert not gives_token({"authorization": "secret"}, "secret")
    assert not gives_token({"authorization": "Bearer sécret", "cookie": "omlzoo_token"}, "secret")
    assert not gives_token({}, string.ascii_letters)
