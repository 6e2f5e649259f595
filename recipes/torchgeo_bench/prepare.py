"""The ROI table of EuroSAT's chips: id, place, label and split, by `rsweep chips`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main(recipe: Path) -> None:
    """Write data/chips.csv, which both studies read."""
    command = [sys.executable, "-m", "rsweep.cli", "chips", str(recipe / "knn.yaml"), "--force"]
    raise SystemExit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
