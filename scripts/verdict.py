"""Which profile to use, and how sure that is: verdict.py DESIGN VERDICT PAIRS."""

import sys
from pathlib import Path

from rsweep.evaluate.tasks import judge_study
from rsweep.jobs.script import open_study

design, verdict, pairs = map(Path, sys.argv[1:])
judge_study(open_study(), design, verdict, pairs)
