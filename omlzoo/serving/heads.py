"""HEAD, which is answered as GET without the body."""

from typing import Any

__all__ = ["HeadAsGet"]


class HeadAsGet:
    """ASGI middleware that asks for a GET where a client asks for a HEAD, and leaves the body out.

    Args:
        app: The ASGI application that answers.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def write(message: Any) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET"}
        await self.app(asked, receive, write)
        scope.update(asked, method="HEAD")  # the route, which is counted
