"""omlzoo serve."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from omlzoo.cli.output import print_line
from omlzoo.cli.trusting import Trusted, allow
from omlzoo.embedding.options import Runtime
from omlzoo.errors import BadInput, MissingExtra

__all__ = ["serve_command"]


def serve_command(
    index: Path,
    *,
    model: str | None = None,
    port: int = 8765,
    host: str = "127.0.0.1",
    token: str | None = None,
    root: list[Path] | None = None,
    megabytes: float = 16,
    megapixels: float = 50,
    decoded_megabytes: float | None = None,
    per_second: float = 20,
    seconds: float = 20,
    runtime: Runtime = "torch",
    engine: Literal["local", "ray"] = "local",
    replicas: int | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    address: str | None = None,
    trust: Trusted = None,
) -> None:
    """The search page and its HTTP API over an index or a folder of photos, until Ctrl-C.

    Parameters
    ----------
    index
        A folder that `omlzoo index` wrote, or a folder of photos, which is embedded and indexed first.
    model
        The model for a folder of photos; by default the best one whose weights are on this machine.
    port
        Port to listen on.
    host
        Address to listen on. Others than loopback need a token.
    token
        Token that every client must send; by default that of OMLZOO_TOKEN.
    root
        Folders whose pictures may be shown; by default where the table's paths start, unless that is as wide as a home
        folder.
    megabytes
        Size of the largest request, in megabytes.
    megapixels
        Size of the largest picture, in megapixels.
    decoded_megabytes
        Size of the largest picture's decoded pixels, in megabytes; by default 4 times --megapixels.
    per_second
        Requests per second that one address may send on average.
    seconds
        Time limit for the headers, the body and the answer of a request, in seconds.
    runtime
        onnx: ONNX Runtime, on the CPU in float32; faster for ResNets.
    engine
        local, or ray: replicas on a Ray cluster answer, for an index that all its machines see under the same path.
    replicas
        Number of Ray's replicas, 2 by default; each opens the index and its model.
    cpus
        Processors of each of Ray's replicas, 1 by default.
    gpus
        GPUs of each of Ray's replicas, none by default.
    address
        Address of the Ray cluster; a cluster of this machine alone by default.
    """
    allow(trust)
    try:
        from omlzoo.serving.addresses import check_address, is_loopback
        from omlzoo.serving.limits import LARGEST, Limits
        from omlzoo.serving.tokens import check_token
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from error
    token = os.environ.get("OMLZOO_TOKEN") if token is None else token
    check_token(token)
    asked = Limits(megabytes=megabytes, megapixels=megapixels, per_second=per_second, seconds=seconds).with_burst()
    decoded = min(4 * megapixels, LARGEST) if decoded_megabytes is None else decoded_megabytes
    limits = replace(asked, decoded_megabytes=decoded)
    check_address(host, port, token)
    hosts = ("127.0.0.1", "localhost", "[::1]", host) if is_loopback(host) else ()
    guards = {"limits": limits, "token": token, "roots": root or (), "hosts": hosts, "runtime": runtime}
    given = {"count": replicas, "cpus": cpus, "gpus": gpus, "address": address}
    wanted = {name: value for name, value in given.items() if value is not None}
    if wanted and engine == "local":
        raise BadInput("--replicas, --cpus, --gpus and --address are of --engine ray; leave them out, or give it")
    with _replicas(index, model, wanted, guards) if engine == "ray" else _itself(index, model, guards) as (app, what):
        from omlzoo.serving.server import serve_forever

        name = f"[{host}]" if ":" in host else host
        print_line(f"omlzoo: {what} at http://{name}:{port}/ (Ctrl-C ends it)", error=True)
        serve_forever(app, host, port, limits)


@contextmanager
def _itself(index: Path, model: str | None, guards: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """The application over an index or a folder of photos in this process, and what it serves."""
    try:  # these take seconds
        from omlzoo.index.build import open_index
        from omlzoo.serving.application import application
        from omlzoo.serving.photos import open_photos
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from error
    opened = open_index(index) if _is_index(index, model) else open_photos(index, model)
    yield application(opened, **guards), f"{opened.size} rows"


@contextmanager
def _replicas(
    index: Path, model: str | None, wanted: dict[str, Any], guards: dict[str, Any]
) -> Iterator[tuple[Any, str]]:
    """The application that replicas on a Ray cluster answer, and what it serves."""
    try:
        from omlzoo.serving.ray_serve import Replicas, served_on_ray
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from error
    replicas = Replicas(**wanted)
    if not _is_index(index, model):
        raise BadInput(f"{index} is no index, which --engine ray needs; make one with `omlzoo index`")
    with served_on_ray(index, replicas, **guards) as app:
        yield app, f"{replicas.count} replicas"


def _is_index(index: Path, model: str | None) -> bool:
    from omlzoo.index.storage import is_index

    if is_index(index) and model is not None:
        raise BadInput(f"--model is {model}, but {index} is an index, which has its model; leave --model out")
    return is_index(index)
