"""The figures of a study: figures.py FOLDER."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_study
from rsweep.report.figures import write_figures

write_figures(open_study(), Path(sys.argv[1]))
