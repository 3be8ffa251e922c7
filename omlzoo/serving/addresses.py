"""Addresses: where the server may listen, and which clients count as one."""

import ipaddress
import socket
from typing import Any

from omlzoo.errors import BadInput

__all__ = ["check_address", "is_loopback", "network_of"]

LAST = 65_535  # the largest number of a port


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address, a host name or an IP address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, port: int, token: str | None) -> None:
    """Refuse an address that cannot be listened on, or that other machines can reach if there is no token.

    Args:
        host: A host name or an IP address.
        port: The port to listen on, from 1 to 65535.
        token: The token that clients have to give, or None.

    Raises:
        BadInput: There is no such port or host, the port is taken, or other machines can reach the address and there is
            no token.
    """
    if not 1 <= port <= LAST:
        raise BadInput(f"port is {port}; it must be a number from 1 to {LAST}")
    if not host:
        raise BadInput("host is empty; give an address of this machine, such as 127.0.0.1")
    if token is None and not is_loopback(host):
        raise BadInput(f"host {host} can be reached by others; give --token, or stay on 127.0.0.1")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:
        raise BadInput(f"host {host!r} is not known; give an address of this machine, such as 127.0.0.1") from error
    errors = [_error(family, address) for family, _, _, _, address in found]
    if None not in errors:
        raise BadInput(f"port {port} on {host} cannot be listened on ({errors[0]}); give another --port or --host")


def _error(family: int, address: Any) -> str | None:
    """Why an address cannot be listened on; None if it can."""
    try:
        socket.create_server(address, family=family).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def network_of(client: str) -> str:
    """What the limits of an address count as one: an IPv4 address, or the first 64 bits of an IPv6 address.

    A subscriber with IPv6 has the last 64 bits to choose from, so each of these is the same one.
    """
    if ":" not in client:
        return client
    return str(ipaddress.ip_network((client.partition("%")[0], 64), strict=False))
