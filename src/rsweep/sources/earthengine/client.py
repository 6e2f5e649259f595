"""The connection: credentials, deadlines, retries, and which failures are whose.

Every request goes through `Client.call`, so that there is one policy and one count. The ee client
keeps its session in module globals; one process therefore talks to one endpoint at a time, and a
`Client` connects again if another one has connected since.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rsweep.core.errors import RoiError, RsweepError, SourceError, TransientError
from rsweep.sources.earthengine.charges import Asked, read_profile
from rsweep.sources.earthengine.endpoint import endpoint
from rsweep.sources.earthengine.ledger import Ledger
from rsweep.sources.earthengine.transport import Transport

log = logging.getLogger(__name__)
T = TypeVar("T")

BASE_S, CAP_S = 1.0, 60.0
"""Full jitter: attempt n waits anything up to BASE_S * 2**n seconds, CAP_S at most."""

NO_CREDENTIALS = (
    "Earth Engine has no credentials. Run `earthengine authenticate` once as the user who runs "
    "the workflow, or name a service account's key file in the study: "
    "`earthengine: {key: /path/to/key.json, project: my-project}`"
)
NO_PROJECT = (
    "Earth Engine needs a Cloud project that is registered for it. Name it in the study "
    "(`earthengine: {project: my-project}`) or run `earthengine set_project my-project`"
)

_TOO_LARGE = ("memory limit", "timed out", "too large", "request size", "too many pixels")
_BUSY = ("ratelimitexceeded", "rate limit", "too many concurrent", "quota exceeded")

_LOCK = threading.RLock()
_connected: Client | None = None


LISTING = Asked("list")


class TooLarge(Exception):
    """The service cannot compute this much at once; the same region in halves may do."""


class Client:
    """A session on one endpoint with one account.

    Attributes:
        url: the endpoint.
        project: the Cloud project that is billed, or "" for the credentials' own.
        stats: counts of requests (tries included), retries, splits, and bytes received; with a
            ledger `eecu_seconds`, and `modelled_requests`, those whose cost a model of cost said.
    """

    def __init__(
        self,
        url: str,
        project: str = "",
        key: str = "",
        *,
        credentials: Any = None,
        deadline_s: float = 180.0,
        attempts: int = 8,
        parallel: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = endpoint(url)
        self.project, self._key_file, self._credentials = project, key, credentials
        self._billed = project
        self._attempts, self._sleep = attempts, sleep
        self._transport = Transport(deadline_s)
        self._counts, self._in_flight = threading.Lock(), threading.BoundedSemaphore(parallel)
        self.stats: dict[str, float] = {"requests": 0, "retries": 0, "splits": 0, "bytes": 0}
        self._ledger: Ledger | None = None
        self._key, self._profiled = "", False

    def meter(self, key: str, store: Path, budget_hours: float | None, profiled: bool) -> None:
        """Write what is asked for into a store's ledger, and mark it as that of a fetch key.

        Args:
            key: of the fetch node; requests carry the workload tag `rsweep-<key>`.
            store: folder of the store.
            budget_hours: EECU-hours that may be spent in a month, at most; None: any.
            profiled: ask the service for the profile of every request, which says its cost.

        Raises:
            SourceError: no credentials or no project, or they are refused.
        """
        self._key, self._profiled = key, profiled
        self.stats |= {"eecu_seconds": 0.0, "modelled_requests": 0}
        self.connect()
        self._ledger = Ledger(store, self._billed or "unnamed", budget_hours)

    def connect(self) -> None:
        """Make this the ee client's session; a no-op when it is.

        Raises:
            SourceError: no credentials or no project, or they are refused.
            TransientError: the service does not answer.
        """
        global _connected
        with _LOCK:
            if _connected is not self:
                _connected = None
                self._retried("the start of a session", self._initialize)
                _connected = self

    def call(self, what: str, request: Callable[[], T], asked: Asked = LISTING) -> T:
        """The answer to `request`, tried again as long as its failure may pass.

        Args:
            what: collection, place and window, for messages.
            request: makes one request through the ee client.
            asked: what it asks for, for the ledger.

        Raises:
            BudgetError: it might pass the budget.
            TooLarge: the service has not the memory or the time for it.
            RoiError: it refuses the request itself.
            SourceError: it refuses the account.
            TransientError: it still fails after the last try.
        """
        self.connect()
        return self._retried(what, lambda: self._charged(request, asked))

    def compute(self, what: str, value: Any) -> Any:
        """Value of an expression."""
        import ee

        return self.call(what, lambda: ee.data.computeValue(value))

    def count(self, **numbers: float) -> None:
        """Add to `stats`."""
        with self._counts:
            for name, number in numbers.items():
                self.stats[name] += number

    def _charged(self, request: Callable[[], T], asked: Asked) -> T:
        """Set aside what a request may cost, send it, and write down what it has cost."""
        if self._ledger is None:
            return self._counted(request)
        with self._ledger.turn(asked.kind):
            reserved = self._ledger.reserve(self._key, asked)
            profiles: list[str] = []
            try:
                answer = self._counted(lambda: self._marked(request, profiles))
            except _failures() as error:
                if _status(error) == 429:  # it was turned away before any work
                    self._ledger.refuse(reserved)
                raise
            charge = self._profile(profiles[0]) if profiles else None
            cost = self._ledger.settle(reserved, charge)
        self.count(eecu_seconds=cost, modelled_requests=charge is None)
        return answer

    def _marked(self, request: Callable[[], T], profiles: list[str]) -> T:
        import ee

        ee.data.setDefaultWorkloadTag(f"rsweep-{self._key}")
        if not self._profiled:
            return request()
        with ee.data.profiling(profiles.append):
            return request()

    def _profile(self, name: str) -> float | None:
        """EECU-seconds by the service's profile of a request; None where it does not say."""
        import ee

        try:
            # Hidden in the ee client, which calls it the same way for `ee.profilePrinting`.
            look_up = ee.ApiFunction.lookup("Profile.getProfiles")
            return read_profile(str(self._counted(look_up.call([name]).getInfo)))
        except _failures() as error:
            log.info("Earth Engine does not tell what a request cost: %s", error)
            return None

    def _counted(self, request: Callable[[], T]) -> T:
        with self._in_flight:  # not while it waits to try again
            self.count(requests=1)
            self._transport.take_received()  # what the start of the session left
            try:
                return request()
            finally:
                self.count(bytes=self._transport.take_received())

    def _retried(self, what: str, request: Callable[[], T]) -> T:
        reason = ""
        for attempt in range(self._attempts):
            try:
                return request()
            except RsweepError:
                raise
            except _failures() as error:
                reason = _passing(error, what)
                wait = max(random.uniform(0, min(CAP_S, BASE_S * 2**attempt)), _asked(error))
            if attempt + 1 < self._attempts:
                self.count(retries=1)
                log.warning("%s: %s; again in %.1f s", what, reason, wait)
                self._sleep(wait)
        raise TransientError(
            f"Earth Engine failed {self._attempts} times on {what}, last with: {reason}"
        )

    def _initialize(self) -> None:
        import ee

        credentials = self._credentials or self._find_credentials()
        project = self._billed = self.project or _own_project(credentials)
        if not project and self.url.startswith("https"):
            raise SourceError(NO_PROJECT)
        _skip_deprecation_list(ee)
        # This class retries. The ee client's own retries would multiply these, uncounted, and it
        # ignores Retry-After.
        ee.data.setMaxRetries(0)
        ee.Initialize(
            credentials=credentials,
            url=self.url,
            project=project or "rsweep",
            http_transport=self._transport,
        )

    def _find_credentials(self) -> Any:
        import ee
        from google.auth.credentials import AnonymousCredentials

        if not self.url.startswith("https"):
            return AnonymousCredentials()  # type: ignore[no-untyped-call]  # no token in the clear
        if self._key_file:
            return _service_account(self._key_file)
        try:
            return ee.data.get_persistent_credentials()
        except ee.EEException:
            raise SourceError(NO_CREDENTIALS) from None


def _service_account(path: str) -> Any:
    import ee

    if not Path(path).is_file():
        raise SourceError(f"earthengine: key is {path}, which is not a file. {NO_CREDENTIALS}")
    try:
        return ee.ServiceAccountCredentials(key_file=path)
    except (ValueError, KeyError, OSError) as error:
        raise SourceError(f"{path} is not the key of a service account: {error}") from error


def _own_project(credentials: Any) -> str:
    for name in ("quota_project_id", "project_id"):
        value = getattr(credentials, name, None)
        if value:
            return str(value)
    return ""


def _skip_deprecation_list(ee: Any) -> None:
    # ee.Initialize fetches a list of deprecated assets from another host, without a time-out: on
    # a compute node behind a firewall that drops packets it would never return.
    if hasattr(ee.deprecation, "_FetchDataCatalogStac"):
        ee.deprecation._FetchDataCatalogStac = dict


def _failures() -> tuple[type[Exception], ...]:
    """What a request through the ee client can raise."""
    import ee
    import googleapiclient.errors  # type: ignore[import-untyped]
    from google.auth.exceptions import GoogleAuthError

    return (ee.EEException, googleapiclient.errors.Error, GoogleAuthError, OSError)


def _response(error: BaseException) -> Any:
    """The HTTP response behind an error: an EEException carries only its message."""
    for source in (error, error.__cause__, error.__context__):
        response = getattr(source, "resp", None)
        if response is not None:
            return response
    return None


def _status(error: BaseException) -> int:
    response = _response(error)
    return int(response.status) if response is not None else 0


def _asked(error: BaseException) -> float:
    """Seconds that the service asks to wait."""
    text = str((_response(error) or {}).get("retry-after", ""))
    return min(float(text), CAP_S) if text.isdigit() else 0.0


def _passing(error: Exception, what: str) -> str:
    """The reason of a failure that may pass; others are raised as the error they are.

    Raises:
        TooLarge, RoiError, SourceError: the same request would fail again.
    """
    status = _status(error)
    reason = f"{status} {error}" if status else f"{type(error).__name__}: {error}"
    text = str(error).lower()
    if isinstance(error, OSError) or status in (408, 429) or status >= 500:
        return reason
    if getattr(error, "retryable", False) or any(word in text for word in _BUSY):
        return reason
    if status == 400 and any(word in text for word in _TOO_LARGE):
        raise TooLarge(reason) from error
    raise _final(error, status, reason, what) from error


def _final(error: Exception, status: int, reason: str, what: str) -> RsweepError:
    """The error to raise for a failure that will not pass."""
    from google.auth.exceptions import GoogleAuthError

    if status == 403:
        remedy = "Check that the project is registered for Earth Engine and that you may use it"
        return SourceError(f"Earth Engine refuses the account ({reason}). {remedy}")
    if status == 401 or isinstance(error, GoogleAuthError):
        remedy = "Run `earthengine authenticate` again, or check the service account's key"
        return SourceError(f"Earth Engine refuses the account ({reason}). {remedy}")
    if status:
        return RoiError(f"Earth Engine refuses {what}: {reason}")
    return SourceError(f"the Earth Engine client fails on {what}: {reason}")
