"""Where the service is."""

from __future__ import annotations

from collections.abc import Mapping

from rsweep.core.errors import SourceError

ENDPOINTS: Mapping[str, str] = {
    "standard": "https://earthengine.googleapis.com",
    "high-volume": "https://earthengine-highvolume.googleapis.com",
}


def endpoint(url: str) -> str:
    """The address of an endpoint given by name or as an address.

    Raises:
        SourceError: it is neither.
    """
    if url in ENDPOINTS:
        return ENDPOINTS[url]
    if url.startswith(("http://", "https://")):
        return url.rstrip("/")
    raise SourceError(f"is {url!r}; expected {', '.join(ENDPOINTS)}, or an address (https://…)")
