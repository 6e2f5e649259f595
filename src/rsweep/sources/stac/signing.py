"""Signed addresses for the Planetary Computer's storage: one short-lived token per container."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from rsweep.core.errors import SourceError, TransientError
from rsweep.sources.http import SENT_PAGE, is_page, within

MARGIN = timedelta(seconds=60)
"""A token is replaced this long before it expires, so that a read that begins with it ends."""
TIMEOUT_S = (10, 30)


@dataclass
class Signer:
    """Gives addresses of Azure storage a token; leaves others alone.

    Attributes:
        token_url: the service; a token of a container is at {token_url}/{account}/{container}.
        suffix: end of the hosts whose addresses are signed, after the account.
    """

    token_url: str
    suffix: str = ".blob.core.windows.net"
    _tokens: dict[tuple[str, str], tuple[datetime, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sign(self, href: str) -> str:
        """The address with a token that is good for a minute at least.

        Raises:
            SourceError: the service refuses. TransientError: it cannot say now.
        """
        parts = urlsplit(href)
        if not parts.netloc.endswith(self.suffix) or parts.query:
            return href
        account = parts.netloc.removesuffix(self.suffix)
        container = parts.path.split("/")[1]
        return f"{href}?{self._token(account, container)}"

    def _token(self, account: str, container: str) -> str:
        with self._lock:  # one thread asks, the others wait for its answer
            expiry, token = self._tokens.get((account, container), (datetime.min, ""))
            if not token or datetime.now(UTC) + MARGIN >= expiry:
                expiry, token = self._ask(account, container)
                self._tokens[account, container] = expiry, token
            return token

    def _ask(self, account: str, container: str) -> tuple[datetime, str]:
        url = f"{self.token_url}/{account}/{container}"
        # A key only raises the limit on requests; pixels are the same without.
        key = os.environ.get("PC_SDK_SUBSCRIPTION_KEY")
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        try:
            answer = within(
                sum(TIMEOUT_S), lambda _: requests.get(url, headers=headers, timeout=TIMEOUT_S)
            )
        except (requests.RequestException, TimeoutError) as error:
            raise TransientError(f"stac: no token for {container}: {error}") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TransientError(f"stac: no token for {container}: HTTP {answer.status_code}")
        if answer.status_code != 200:
            raise SourceError(
                f"stac: no token for {account}/{container}: "
                f"HTTP {answer.status_code} from {self.token_url}"
            )
        try:
            data = answer.json()
            expiry = datetime.fromisoformat(data["msft:expiry"]).astimezone(UTC)
            return expiry, str(data["token"])
        except (ValueError, KeyError, TypeError) as error:
            page = is_page(answer.headers.get("content-type"), answer.content)
            what = SENT_PAGE if page else "answers no token"
            raise TransientError(
                f"stac: no token for {container}: {self.token_url} {what}"
            ) from error
