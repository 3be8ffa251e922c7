"""A small open index, and a server of it in the running event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from toys import toy

import omlzoo
from omlzoo.index.index import Index
from omlzoo.serving.limits import Limits
from omlzoo.serving.server import server_of

Running = Callable[[Any, Limits], AbstractAsyncContextManager[int]]


@pytest.fixture(scope="package")
def small(drawn: Path) -> Index:
    """An index of pictures, its model open."""
    return omlzoo.build_index(omlzoo.embed(toy("resnet_toy"), drawn, progress=False))


@pytest.fixture
def running() -> Running:
    """Serves an application on a free port, which it yields."""

    @asynccontextmanager
    async def serve(app: Any, limits: Limits) -> AsyncIterator[int]:
        server = server_of(app, "127.0.0.1", 0, limits)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        await task

    return serve
