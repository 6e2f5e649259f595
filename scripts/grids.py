"""A profile's grids."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.report.results import write_grids
from rsweep.workflow import open_study

study, profile = open_study(snakemake)
write_grids(study, profile, Path(snakemake.output[0]))
