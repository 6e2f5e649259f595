"""What a study gave beside what was published: published.py PUBLISHED SWEEP TABLE FIGURE."""

import sys
from pathlib import Path

from rsweep.report.published import write_published_figure
from rsweep.results.published import write_regenerated

published, sweep, table, figure = map(Path, sys.argv[1:])
write_regenerated(published, sweep, table)
write_published_figure(table, figure)
