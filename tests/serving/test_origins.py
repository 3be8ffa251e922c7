"""A web page of another server cannot ask through somebody's browser, with or without a token."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from omlzoo.index.index import Index
from omlzoo.serving.application import application
from omlzoo.serving.limits import Limits
from omlzoo.serving.origins import asked_from_elsewhere

FREE = Limits(per_second=1e6, burst=10**6)
ELSEWHERE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:8766"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://[::1"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "unheard-of"},
    {"Sec-Fetch-Site": "none", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8765"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
]
OWN = [
    {},
    {"Origin": "http://127.0.0.1:8765"},
    {"Origin": "HTTP://127.0.0.1:8765"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8765"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.fixture(scope="module", params=[None, "secret"])
def client(request: pytest.FixtureRequest, small: Index) -> Iterator[TestClient]:
    with TestClient(application(small, limits=FREE, token=request.param), base_url="http://127.0.0.1:8765") as opened:
        opened.headers["Authorization"] = "Bearer secret"
        yield opened


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_pages_elsewhere_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/search"), ("POST", "/embed"), ("GET", "/items/0/picture"), ("GET", "/facts")):
        answer = client.request(method, path, data={"item": 0} if method == "POST" else None, headers=headers)
        assert (answer.status_code, "another server" in answer.text) == (403, True)


@pytest.mark.parametrize("headers", OWN)
def test_the_servers_own_page_and_programs_are_answered(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/search", data={"item": 0}, headers=headers).status_code == 200
    assert client.get("/items/0/picture", headers=headers).status_code == 200


def test_a_link_may_be_followed_and_a_form_may_not() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "host": "a"}
    assert not asked_from_elsewhere("GET", link)
    assert asked_from_elsewhere("POST", link)
    assert asked_from_elsewhere("GET", {**link, "sec-fetch-dest": "iframe"})
