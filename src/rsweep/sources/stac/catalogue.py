"""Finding items: by the search of an API, or by walking a static catalogue."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pystac
import pystac_client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import FallbackToPystac
from urllib3.util.retry import Retry

from rsweep.core.accounts import reveal, with_account
from rsweep.core.errors import RsweepError, SourceError, TransientError
from rsweep.core.redact import without_secrets
from rsweep.sources.http import HEAD_BYTES, SENT_PAGE, is_page, within
from rsweep.sources.stac.items import Item, parse_item

TIMEOUT_S = (10, 60)
RETRIES = 5
BACKOFF_S = 0.5
PAGE = 100
Box = tuple[float, float, float, float]


class Catalogue(Protocol):
    """Where items are looked up."""

    def items(
        self, collection: str, boxes: list[Box], start: str, end: str, query: Mapping[str, Any]
    ) -> Iterable[Item]:
        """Items of a collection ("" for any) in some boxes of degrees, with start <= time < end.

        Raises:
            SourceError: the catalogue cannot serve at all. TransientError: it cannot now.
        """
        ...


def open_catalogue(url: str) -> Catalogue:
    """The catalogue at an address: a static one where it names a JSON file, else an API."""
    if urlsplit(url).path.endswith(".json"):
        return StaticCatalogue(url)
    return ApiCatalogue(url)


class CatalogueIO(StacApiIO):
    """Reads a catalogue's documents, each with a deadline; at an address, no file of this machine.

    A catalogue on disk may lead to others at addresses, but not the other way round.
    """

    def __init__(self, root: str, **options: Any) -> None:
        super().__init__(**options)
        self._root, self._remote = root, "://" in root
        self._known = reveal(root)

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """The text of a document.

        Raises:
            SourceError: a remote catalogue leads to a path.
            TransientError: there is no whole answer in time, or it is a page.
        """
        href = str(source.href if isinstance(source, pystac.Link) else source)
        if self._remote and urlsplit(href).scheme not in ("http", "https"):
            raise SourceError(f"stac: a catalogue at an address leads to {href!r}, which is none")
        return str(super().read_text(source, *args, **kwargs))

    def request(self, href: str, *args: Any, **kwargs: Any) -> str:
        """The text of a document at an address; see `read_text`."""
        ask = super().request
        # The account is for this host alone, wherever links lead.
        known = self._known if href == self._root else with_account(href, self._known)
        try:
            text = str(within(_deadline_s(), lambda _: ask(known, *args, **kwargs)))
        except TimeoutError as error:
            raise TransientError(f"stac: {without_secrets(href)}: {error}") from error
        if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
            page = is_page(None, text[:HEAD_BYTES].encode())
            raise TransientError(
                f"stac: {without_secrets(href)} {SENT_PAGE if page else 'answers no JSON'}"
            )
        return text


def _deadline_s() -> float:
    """For one document with all attempts."""
    return float(RETRIES * TIMEOUT_S[1])


def _io(root: str) -> StacApiIO:
    retry = Retry(
        total=RETRIES,
        backoff_factor=BACKOFF_S,
        backoff_jitter=BACKOFF_S,
        allowed_methods=None,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    return CatalogueIO(root, timeout=TIMEOUT_S, max_retries=retry)


def _failure(url: str, error: Exception) -> RsweepError:
    status = getattr(error, "status_code", None)
    text = f"stac: {without_secrets(url)}: {without_secrets(' '.join(str(error).split()))[:300]}"
    # Without a status the service was not reached at all.
    if status is None or status == 429 or status >= 500:
        return TransientError(text + (f" (HTTP {status})" if status else ""))
    return SourceError(f"{text} (HTTP {status})")


def _unreadable(url: str, error: BaseException) -> RsweepError:
    """Why a static catalogue cannot be read: pystac wraps what its links raise."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RsweepError):
            return cause
        if isinstance(cause, APIError):
            return _failure(url, cause)
        cause = cause.__cause__
    return SourceError(
        f"stac: {without_secrets(url)} cannot be read: {without_secrets(str(error))}"
    )


class ApiCatalogue:
    """A service with item search."""

    def __init__(self, url: str) -> None:
        self._url = url

    @functools.cached_property
    def _client(self) -> Any:
        return pystac_client.Client.open(self._url, stac_io=_io(self._url))

    def items(
        self, collection: str, boxes: list[Box], start: str, end: str, query: Mapping[str, Any]
    ) -> Iterable[Item]:
        """See `Catalogue.items`."""
        try:
            for box in boxes:
                found = self._client.search(
                    collections=[collection],
                    bbox=box,
                    limit=PAGE,
                    datetime=f"{_moment(start)}/{_moment(end)}",
                    query=dict(query) or None,
                )
                for data in found.items_as_dicts():
                    item = parse_item(data)
                    if item.within(_moment(start), _moment(end)):  # the API includes the end
                        yield item
        except APIError as error:
            raise _failure(self._url, error) from error
        except json.JSONDecodeError as error:  # cut short on its way
            raise _failure(self._url, error) from error
        except ValueError as error:
            raise SourceError(
                f"stac: {without_secrets(self._url)}: {without_secrets(str(error))}"
            ) from error
        except NotImplementedError as error:  # pystac-client's word for a static catalogue
            text = f"stac: {self._url} has no item search: {error}"
            raise SourceError(without_secrets(text)) from error


def _moment(text: str) -> str:
    return text if "T" in text else f"{text}T00:00:00Z"


class StaticCatalogue:
    """A tree of JSON files, on disk or at an address; read once."""

    def __init__(self, url: str) -> None:
        self._url = url

    @functools.cached_property
    def _all(self) -> list[Item]:
        try:
            with warnings.catch_warnings():
                # That there is no search to be had here is why this class exists.
                warnings.simplefilter("ignore", FallbackToPystac)
                reader = _io(self._url)
                root = pystac.read_file(self._url, stac_io=reader)
                if not isinstance(root, pystac.Catalog):
                    raise SourceError(f"stac: {self._url} is not a catalogue")
                root._stac_io = reader  # or its links are read without deadlines, and anywhere
                return [self._parse(item) for item in root.get_items(recursive=True)]
        except APIError as error:
            raise _failure(self._url, error) from error
        except (OSError, ValueError, KeyError, pystac.STACError, pystac.STACTypeError) as error:
            raise _unreadable(self._url, error) from error

    def _parse(self, item: pystac.Item) -> Item:
        item.make_asset_hrefs_absolute()
        data = item.to_dict(include_self_link=False, transform_hrefs=False)
        if "://" not in self._url:
            # Below a catalogue on disk a scene's record says where, not on whose machine.
            for asset in data["assets"].values():
                asset["href"] = _relative(asset["href"], Path(self._url).parent)
        return parse_item(data)

    def items(
        self, collection: str, boxes: list[Box], start: str, end: str, query: Mapping[str, Any]
    ) -> Iterable[Item]:
        """See `Catalogue.items`."""
        for item in self._all:
            if collection and item.collection != collection:
                continue
            if not item.within(_moment(start), _moment(end)):
                continue
            if _has(item, query) and any(_meet(item.footprint.bounds, box) for box in boxes):
                yield item


def _relative(href: str, folder: Path) -> str:
    path = Path(href)
    base = folder.resolve()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else href


def _has(item: Item, query: Mapping[str, Any]) -> bool:
    return all(item.properties.get(name) in test["in"] for name, test in query.items())


def _meet(one: Box, other: Box) -> bool:
    return (one[0] < other[2] and other[0] < one[2]) and (one[1] < other[3] and other[1] < one[3])
