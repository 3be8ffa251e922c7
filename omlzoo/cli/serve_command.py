"""omlzoo serve."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

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
    replicas: int = 2,
    cpus: float = 1.0,
    gpus: float = 0.0,
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
        Number of Ray's replicas; each opens the index and its model.
    cpus
        Processors of each of Ray's replicas.
    gpus
        GPUs of each of Ray's replicas.
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
    try:  # these take seconds
        from omlzoo.index.build import open_index
        from omlzoo.index.storage import is_index
        from omlzoo.serving.application import application
        from omlzoo.serving.photos import open_photos
        from omlzoo.serving.server import serve_forever
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from error
    hosts = ("127.0.0.1", "localhost", "[::1]", host) if is_loopback(host) else ()
    name = f"[{host}]" if ":" in host else host
    where = f"http://{name}:{port}/ (Ctrl-C ends it)"
    if is_index(index) and model is not None:
        raise BadInput(f"--model is {model}, but {index} is an index, which has its model; leave --model out")
    if engine == "ray":
        if not is_index(index):
            raise BadInput(f"{index} is no index, which --engine ray needs; make one with `omlzoo index`")
        from omlzoo.serving.ray_serve import Replicas, served_on_ray

        wanted = Replicas(replicas, cpus, gpus, address)
        with served_on_ray(
            index, wanted, limits=limits, token=token, roots=root or (), hosts=hosts, runtime=runtime
        ) as forwarding:
            print_line(f"omlzoo: {replicas} replicas at {where}", error=True)
            serve_forever(forwarding, host, port, limits)
        return
    opened = open_index(index) if is_index(index) else open_photos(index, model)
    app = application(opened, limits=limits, token=token, roots=root or (), hosts=hosts, runtime=runtime)
    print_line(f"omlzoo: {opened.size} rows at {where}", error=True)
    serve_forever(app, host, port, limits)
