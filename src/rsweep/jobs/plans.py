"""Where a job finds the plan of its study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsweep.plan.stored import told


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
