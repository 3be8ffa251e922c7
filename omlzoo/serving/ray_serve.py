"""Serving by many processes or machines: the application as a deployment of Ray Serve, behind one server."""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from omlzoo import catalog
from omlzoo.embedding.options import Runtime
from omlzoo.embedding.ray_cluster import ray_started
from omlzoo.errors import BadInput, notice
from omlzoo.index.build import open_index
from omlzoo.serving.application import front, routed
from omlzoo.serving.forwarding import Answer, Asked, Failures, Forwarding, answer_of
from omlzoo.serving.limits import Limits
from omlzoo.serving.service import Service
from omlzoo.serving.tokens import check_token
from omlzoo.zoo.trusting import trust_packages, trusted_packages

__all__ = ["Replicas", "served_on_ray"]

NAME = "omlzoo"  # of the deployment, and how the names of our applications begin
SERVED: set[str] = set()  # applications of this process


@dataclass(frozen=True)
class Replicas:
    """How many replicas there are, and what each of them has.

    Attributes:
        count: Number of replicas, at least 1.
        cpus: Processors of each, above 0.
        gpus: GPUs of each.
        address: Address of the Ray cluster; by default RAY_ADDRESS, or a cluster of this machine alone.

    Raises:
        BadInput: A number breaks its rule.
    """

    count: int = 2
    cpus: float = 1.0
    gpus: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or not self.cpus > 0 or not self.gpus >= 0:
            what = f"{self.count} replicas of {self.cpus:g} processors and {self.gpus:g} GPUs"
            raise BadInput(f"there cannot be {what}; give at least one, with more than 0 processors")


@dataclass(frozen=True)
class _Settings:
    index: str
    limits: Limits
    token: str | None
    roots: tuple[Path, ...]
    runtime: Runtime
    trust: tuple[str, ...]


class _Replica:
    """Opens the index and its model once and answers what the front passes on."""

    async def __init__(self, settings: _Settings) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        trust_packages(settings.trust)
        service = Service(open_index(settings.index), settings.limits, settings.roots, settings.runtime)
        self.app = routed(service, settings.token)
        self.lifespan = self.app.router.lifespan_context(self.app)
        await self.lifespan.__aenter__()

    async def __call__(self, asked: Asked) -> Answer:
        return await answer_of(self.app, asked)


@contextmanager
def served_on_ray(
    index: str | Path,
    replicas: Replicas,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    roots: Sequence[Path] = (),
    hosts: Sequence[str] = (),
    runtime: Runtime = "torch",
) -> Iterator[Starlette]:
    """The web application over an index that replicas on a Ray cluster answer; they end with the block.

    The limits, the token, the names of the host and the counts are those of this one front, as without Ray. A request
    whose replica ends is asked again of another one; after three such ends it gets status 503. Each block has an
    application of its own, so that several indexes are served beside each other, by one process or by many.

    Args:
        index: The folder of an index, which every machine sees under this path.
        replicas: How many, and what each of them has.
        limits: As in :func:`omlzoo.serving.application.application`, like the arguments below.
        token: The token that every client has to give; None lets everyone in.
        roots: Folders whose pictures are shown.
        hosts: Names that the Host header of a request may have; any by default.
        runtime: What computes the vectors of pictures.

    Raises:
        BadInput: The cluster has fewer processors or GPUs than the replicas want, or a replica cannot open the index.
        MissingExtra: Ray Serve is not installed.
    """
    check_token(token)
    limits = limits or Limits()
    serve = catalog.optional("ray.serve", "ray")
    settings = _Settings(str(Path(index).resolve()), limits, token, tuple(Path(root).resolve() for root in roots),
                         runtime, trusted_packages())  # fmt: skip
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    with ray_started(replicas.address) as ray:
        _check_room(ray.cluster_resources(), replicas)
        serve.start(proxy_location="Disabled")  # the front is ours
        _say_others(serve)
        deployment = serve.deployment(
            _Replica, name=NAME, num_replicas=replicas.count, max_ongoing_requests=limits.connections,
            ray_actor_options={"num_cpus": replicas.cpus, "num_gpus": replicas.gpus},
            health_check_period_s=1, graceful_shutdown_timeout_s=limits.seconds,
        )  # fmt: skip
        name = f"{NAME}-{secrets.token_hex(4)}"
        SERVED.add(name)
        try:
            try:
                handle = serve.run(
                    deployment.bind(settings), name=name, route_prefix=None, logging_config={"log_level": "ERROR"}
                )
            except RuntimeError as error:
                raise BadInput(f"the replicas cannot serve {index}: {_last_line(error)}") from error

            async def ask(asked: Asked) -> Answer:
                answer: Answer = await handle.remote(asked)
                return answer

            yield front(Forwarding(ask, _failures(ray, serve), 2 * limits.seconds), limits, token, hosts)
        finally:
            SERVED.discard(name)
            serve.delete(name)


def _say_others(serve: Any) -> None:
    """Say which applications of other processes the cluster has: one whose process was killed goes on."""
    others = sorted(name for name in serve.status().applications if name.startswith(f"{NAME}-") and name not in SERVED)
    if others:
        notice(
            f"the cluster serves {', '.join(others)} too; one whose process was killed keeps its processors until "
            "`ray.serve.delete(name)`"
        )


def _failures(ray: Any, serve: Any) -> Failures:
    errors = catalog.optional("ray.serve.exceptions", "ray")
    unreachable = getattr(errors, "ReplicaUnavailableError", ray.exceptions.RayActorError)
    return Failures((ray.exceptions.RayActorError, unreachable),
                    (errors.BackPressureError, errors.DeploymentUnavailableError))  # fmt: skip


def _check_room(resources: dict[str, float], replicas: Replicas) -> None:
    for name, kind, each in (("processors", "CPU", replicas.cpus), ("GPUs", "GPU", replicas.gpus)):
        there, wanted = resources.get(kind, 0.0), replicas.count * each
        if wanted > there:
            raise BadInput(
                f"{replicas.count} replicas of {each:g} {name} want {wanted:g}, and the cluster has {there:g}: Ray "
                "would wait for ever; give fewer replicas, or less for each"
            )


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
