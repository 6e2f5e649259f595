"""What can go wrong, by who can fix it."""

from __future__ import annotations

from collections.abc import Sequence

from rsweep.core.knobs import Problem

LISTED = 100
"""Problems that a message lists: a table of a million ROIs may have one in each row."""


class RsweepError(Exception):
    """Root of every error that rsweep raises on purpose."""


class StudyError(RsweepError):
    """A study that cannot run: all its problems at once, of which the message lists the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        listed = [*map(str, self.problems[:LISTED])]
        if count > LISTED:
            listed.append(f"and {count - LISTED} more")
        lines = "\n".join(f"  {line}" for line in listed)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the study\n{lines}")


class RoiError(RsweepError):
    """A ROI that cannot be embedded, for good: the same inputs fail the same way.

    Recorded in the store as the ROI's outcome, so that the rest of its shard goes on.
    """


class SourceError(RsweepError):
    """A provider that cannot serve at all: no folder, no credentials, an unknown collection."""


class TransientError(RsweepError):
    """A failure that may pass (a quota, a dropped connection); never recorded in the store."""


class BudgetError(RsweepError):
    """A request that would pass a study's budget; what was fetched before it is kept."""


class CorruptError(RsweepError):
    """A file of the store that is absent, or does not read back as it was written."""

    def __init__(self, path: object, reason: object) -> None:
        self.path = str(path)
        super().__init__(f"{path} is damaged ({reason})")


class WeightsError(RsweepError):
    """Weights that are absent, refused, or do not fit the network."""
