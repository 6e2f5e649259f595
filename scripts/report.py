"""The page of a study: report.py FIGURES LOCK PAGE."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_study
from rsweep.report.page import write_page

figures, lock, page = map(Path, sys.argv[1:])
write_page(open_study(), figures, lock, page)
