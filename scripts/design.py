"""Blocks and folds of a study's ROIs: design.py DESIGN."""

import sys
from pathlib import Path

from rsweep.evaluate.tasks import design_study
from rsweep.jobs.script import open_study

design_study(open_study(), Path(sys.argv[1]))
