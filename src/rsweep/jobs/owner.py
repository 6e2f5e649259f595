"""What the process that owns a run tells its jobs: whose they are, since when, and the plan."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsweep.plan.stored import told

OWNER = "RSWEEP_OWNER"
"""Environment variable by which a Snakemake process tells its jobs whose they are."""


def planned_at() -> float:
    """When the Snakemake process began whose job this is, else now; as time.time() has it."""
    owner = os.environ.get(OWNER)
    return int(owner.split("-")[1]) / 1000 if owner else time.time()


def plan_folder(config: Mapping[str, Any]) -> Path:
    """The folder that the owner of this job told of, or else the one of the study as it is now.

    Raises:
        StudyError: there is no plan, and the study has problems.
    """
    folder = told(config)
    if folder and (folder / "plan.json").is_file():
        return folder
    from rsweep.plan.planning import find_plan  # which a job that was told does not need

    return find_plan(config)
