"""The JSON schema of a study file."""

from __future__ import annotations

import argparse
import json

ABOUT = "the JSON schema of a study file, for editors"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def run(_given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.plan.schema import study_schema

    print(json.dumps(study_schema(), indent=1))
    return 0
