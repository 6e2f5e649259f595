"""The jobs of a dry run, counted."""

from __future__ import annotations

from collections.abc import Mapping


def jobs_table(jobs: Mapping[str, int]) -> str:
    """A line per rule with its number of jobs and, of a stage, what it does.

    Args:
        jobs: rule -> jobs, in the order in which they run; with a `total`.
    """
    from rsweep.stages.registry import STAGES

    rows = {rule: count for rule, count in jobs.items() if rule not in ("all", "total")}
    rows["total"] = sum(rows.values())
    width = max(len(rule) for rule in rows)
    lines = ["Job stats:"]
    for rule, count in rows.items():
        about = STAGES[rule].about if rule in STAGES else ""
        lines.append(f"  {rule:<{width}} {count:>7}  {about}".rstrip())
    return "\n".join(lines)
