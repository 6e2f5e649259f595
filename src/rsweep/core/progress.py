"""How far something is, in words."""

from __future__ import annotations

from dataclasses import dataclass

from rsweep.core.durations import format_duration


@dataclass(frozen=True)
class Progress:
    """How far a stage is, or a run.

    Attributes:
        name: what is under way.
        total, done, running, failed: jobs that are needed, finished, under way, ended in an error.
        per_minute: jobs finished in a minute; 0 if that is not known.
        seconds_left: for what is left, at that rate; None if that is not known.
        note: what else is to be said.
    """

    name: str
    total: int
    done: int
    running: int = 0
    failed: int = 0
    per_minute: float = 0.0
    seconds_left: float | None = None
    note: str = ""

    def details(self) -> list[str]:
        """Everything but the name and how much is done."""
        return [
            *([f"{self.running} running"] if self.running else []),
            *([f"{self.failed} failed"] if self.failed else []),
            *([self.note] if self.note else []),
            *([f"{self.per_minute:.3g} a minute"] if self.per_minute else []),
            *([f"{format_duration(self.seconds_left)} left"] if self.seconds_left else []),
        ]

    def __str__(self) -> str:
        share = f" ({100 * self.done // self.total} %)" if self.done < self.total else ""
        done = f"{self.name:<10} {self.done} of {self.total}{share}"
        return ", ".join([done, *self.details()])
