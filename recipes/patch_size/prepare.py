"""Places of a table of AlphaEarth's supplemental evaluation data: a pixel each, with its window."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

BUFFER_M = 5
"""Half a pixel: the label is of one."""


def day(milliseconds: str) -> datetime:
    """The day of a time in milliseconds since 1970."""
    found = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    return found.replace(hour=0, minute=0, second=0, microsecond=0)


def window(start_ms: str, end_ms: str) -> tuple[str, str]:
    """First day, and the day after the last: an end at midnight is left out already."""
    last = datetime.fromtimestamp(int(end_ms) / 1000, UTC)
    end = day(end_ms) + timedelta(days=int(last != day(end_ms)))
    return day(start_ms).date().isoformat(), end.date().isoformat()


def main(recipe: Path) -> None:
    """Write rois.csv; a row's number is its id, as in the repository."""
    data = recipe / "data"
    with (
        (data / "africa_crop_mask.csv").open(newline="") as source,
        (data / "rois.csv").open("w", newline="") as target,
    ):
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(["id", "lon", "lat", "buffer_m", "start", "end", "crop", "split"])
        for number, row in enumerate(csv.DictReader(source), start=1):
            start, end = window(row["support_time_start_ms"], row["support_time_end_ms"])
            label = row.get("label_name") or row["label"]
            writer.writerow(
                [f"sample_{number}", row["x"], row["y"], BUFFER_M, start, end, label, row["split"]]
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
