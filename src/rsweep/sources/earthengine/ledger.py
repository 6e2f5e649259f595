"""The ledger: what Earth Engine was asked for in a calendar month, by project and fetch key.

Before a request is sent its cost is set aside under a lock, so that jobs which run at once cannot
pass a budget together; when it is answered, what it cost takes the place of what was set aside. Of
a request that was never answered (a killed job, a broken connection) what was set aside stays: the
service may have charged for it. Under a budget the first requests of a kind are sent one at a time,
so that what one of them cost is known before the next is sent.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rsweep.core.errors import BudgetError, CorruptError, SourceError
from rsweep.core.names import slug
from rsweep.core.sealed_json import read_sealed, write_sealed
from rsweep.core.writers import own_name
from rsweep.sources.earthengine.charges import Asked, Fit, Kind, at_most, expected

HOUR = 3600.0
FOLDER = "ledger"
"""Of a store."""

log = logging.getLogger("rsweep")


@dataclass
class Spent:
    """What one fetch key has cost.

    Attributes:
        requests: sent.
        told: of these, those of which the service said what they cost.
        unanswered: of these, those that were not answered or are on their way.
        eecu_seconds: what all of them cost.
        margin: what those that were answered may have cost beyond that, where nobody said what.
    """

    requests: int = 0
    told: int = 0
    unanswered: int = 0
    eecu_seconds: float = 0.0
    margin: float = 0.0


@dataclass
class Month:
    """A month of a project.

    Attributes:
        spent: fetch key -> what it has cost.
        fits: kind of request -> what is known of its cost.
        refused: the largest request that the budget has no room for; None while it has.
    """

    project: str
    month: str
    spent: dict[str, Spent] = field(default_factory=dict)
    fits: dict[str, Fit] = field(default_factory=dict)
    refused: Asked | None = None

    @property
    def eecu_seconds(self) -> float:
        """What all keys have cost."""
        return sum(spent.eecu_seconds for spent in self.spent.values())

    @property
    def most(self) -> float:
        """What all keys may have cost, at the most."""
        return self.eecu_seconds + sum(spent.margin for spent in self.spent.values())


@dataclass(frozen=True)
class Reservation:
    """What was set aside for a request, and in which month's file."""

    path: Path
    key: str
    asked: Asked
    eecu_seconds: float


class Ledger:
    """A store's ledger of one project.

    Args:
        store: folder of the store, which jobs and studies share.
        project: the Cloud project that is billed.
        budget_hours: EECU-hours that the project may have cost in a month by this ledger, at most.
    """

    def __init__(self, store: Path, project: str, budget_hours: float | None = None) -> None:
        self.project, self.budget_hours = project, budget_hours
        self.folder = store / FOLDER / slug(project)

    @contextmanager
    def turn(self, kind: Kind) -> Iterator[None]:
        """Wait for one's turn while little is known of a kind and a budget is to be kept.

        Raises:
            SourceError: the ledger cannot be read or locked.
        """
        if self.budget_hours is None or self._tried(kind):
            yield
            return
        with ExitStack() as stack:
            stack.enter_context(self._locked(self.folder, f".first-{kind}"))
            if self._tried(kind):
                stack.close()
            yield

    def _tried(self, kind: Kind) -> bool:
        return self.read().fits.get(kind, Fit()).tried

    def reserve(self, key: str, asked: Asked) -> Reservation:
        """Set aside the cost of a request.

        Raises:
            BudgetError: with it the budget might be passed.
            SourceError: the ledger cannot be read or locked.
        """
        path = self.folder / f"{this_month()}.json"
        with self._opened(path) as month:
            amount = at_most(asked, month.fits)
            # A list that leads up to what does not fit is not asked for either.
            before = at_most(month.refused, month.fits) if month.refused else 0.0
            refused = self._refusal(month, max(amount, before))
            month.refused = (asked if amount > before else month.refused) if refused else None
            if not refused:
                spent = month.spent.setdefault(key, Spent())
                spent.requests += 1
                spent.unanswered += 1
                spent.eecu_seconds += amount
        if refused:
            raise BudgetError(refused)
        return Reservation(path, key, asked, amount)

    def refuse(self, reserved: Reservation) -> None:
        """Take back what was set aside for a request that the service turned away."""
        with self._opened(reserved.path) as month:
            spent = month.spent[reserved.key]
            spent.unanswered -= 1
            spent.eecu_seconds -= reserved.eecu_seconds

    def settle(self, reserved: Reservation, charge: float | None) -> float:
        """Put what a request cost in the place of what was set aside; EECU-seconds.

        Args:
            reserved: what was set aside for it.
            charge: EECU-seconds as the service says; None: the model of cost says it.
        """
        kind = reserved.asked.kind
        with self._opened(reserved.path) as month:
            fit = month.fits.get(kind, Fit())
            cost = expected(reserved.asked, fit) if charge is None else charge
            spent = month.spent[reserved.key]
            spent.unanswered -= 1
            spent.eecu_seconds += cost - reserved.eecu_seconds
            if charge is None:
                spent.margin += max(reserved.eecu_seconds - cost, 0.0)
                month.fits[kind] = replace(fit, untold=fit.untold + 1)
            else:
                spent.told += 1
                month.fits[kind] = fit.with_charge(reserved.asked, charge)
        return cost

    def read(self, month: str = "") -> Month:
        """A month as it stands, this one if none is named; with the fits of the last before it.

        Raises:
            SourceError: its file is damaged.
        """
        month = month or this_month()
        path = self.folder / f"{month}.json"
        try:
            return _month(read_sealed(path)) if path.exists() else self._new(month)
        except CorruptError as error:
            raise SourceError(
                f"the ledger of Earth Engine is damaged ({error}), so that it is not known what "
                f"was spent in {month}. Move the file away to count from nothing"
            ) from error

    def _new(self, month: str) -> Month:
        earlier = sorted(p.stem for p in self.folder.glob("*.json") if p.stem < month)
        return Month(self.project, month, fits=self.read(earlier[-1]).fits if earlier else {})

    def _refusal(self, month: Month, amount: float) -> str:
        """Why a request that may take so much is not sent; "" if it is."""
        if self.budget_hours is None or month.most + amount <= self.budget_hours * HOUR:
            return ""
        return (
            f"budget: eecu_hours {self.budget_hours:g} of project {self.project} is spent for "
            f"{month.month}: {month.most / HOUR:.6g} are used or set aside in "
            f"{self.folder}, and the next request may take {amount / HOUR:.3g}. What was "
            f"fetched is kept: run again next month, or raise the budget"
        )

    @contextmanager
    def _opened(self, path: Path) -> Iterator[Month]:
        """The month in a file, under a lock; changes are written when the block ends well."""
        with self._locked(path.parent, ".lock"):
            month = self.read(path.stem)
            yield month
            temporary = path.with_name(own_name(path.name, "tmp"))
            write_sealed(temporary, asdict(month))
            temporary.replace(path)

    @contextmanager
    def _locked(self, folder: Path, name: str) -> Iterator[None]:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError as error:
            if self.budget_hours is not None:
                os.close(held)
                raise SourceError(
                    f"{folder} is on a file system without locks ({error.strerror}): "
                    f"budget: eecu_hours cannot be kept"
                ) from error
            log.info("no lock for %s: %s", folder, error.strerror)
        try:
            yield
        finally:
            os.close(held)


def this_month() -> str:
    """The calendar month in UTC, such as 2026-11."""
    return datetime.now(UTC).strftime("%Y-%m")


def _month(found: Mapping[str, Any]) -> Month:
    return Month(
        found["project"],
        found["month"],
        {key: Spent(**row) for key, row in found["spent"].items()},
        {kind: Fit(**row) for kind, row in found["fits"].items()},
        Asked(**found["refused"]) if found.get("refused") else None,
    )
