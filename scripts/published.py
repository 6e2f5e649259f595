"""What a study gave beside what was published."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.core.log import start_log
from rsweep.report.published import write_published_figure
from rsweep.results.published import write_regenerated

start_log(snakemake.log[0])
given, out = snakemake.input, snakemake.output
write_regenerated(Path(given.published), Path(given.table), Path(out.table))
write_published_figure(Path(out.table), Path(out.figure))
