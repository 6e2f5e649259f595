"""Fetch weights to this machine's cache, before inference reads them: weights.py NAME WEIGHTS."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_study
from rsweep.jobs.weights import fetch_named

name, to = sys.argv[1:]
fetch_named(open_study(), name, Path(to))
