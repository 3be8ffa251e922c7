"""Whether a web page of another server asks, through the browser of somebody who may."""

from urllib.parse import urlsplit

__all__ = ["asked_from_elsewhere"]


def asked_from_elsewhere(method: str, headers: dict[str, str]) -> bool:
    """Whether a request comes from a web page of another server.

    Browsers say where a request comes from, and pages cannot change it: in Sec-Fetch-Site, and in Origin, which older
    ones send alone. Who sends neither is no browser. A link that somebody follows is not counted: it opens a window.

    Args:
        method: The method of the request.
        headers: The headers of the request, with names in lower case.
    """
    site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin")
    if site == "same-origin":  # decides: a proxy may have changed the host that Origin is compared with
        return False
    if origin is not None and _host(origin) != headers.get("host", "").lower():
        return True
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return site != "none" and not (followed and method in ("GET", "HEAD"))


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
