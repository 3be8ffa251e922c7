"""HEAD is answered as GET, without the body."""

import pytest
from fastapi.testclient import TestClient

from omlzoo.index.index import Index
from omlzoo.serving.application import application
from omlzoo.serving.limits import Limits
from omlzoo.serving.routes import router

PATHS = [route.path.format(row=1) for route in router.routes if "GET" in route.methods]  # type: ignore[attr-defined]


def test_every_path_that_is_got_is_headed(small: Index) -> None:
    assert len(PATHS) == 7
    with TestClient(application(small, limits=Limits(per_second=1e6, burst=10**6))) as client:
        for path in [*PATHS, "/openapi.json", "/items/99999", "/nothing"]:
            got, headed = client.get(path), client.head(path)
            assert (headed.status_code, headed.content) == (got.status_code, b""), path
            if path != "/metrics":  # which counts the requests
                assert headed.headers == got.headers, path
        assert client.head("/search").status_code == 405
        assert 'omlzoo_requests_total{route="/items",status="200"} 2.0' in client.get("/metrics").text


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "FOO"])
def test_other_methods_are_refused(small: Index, method: str) -> None:
    with TestClient(application(small)) as client:
        assert client.request(method, "/items").status_code == 405
