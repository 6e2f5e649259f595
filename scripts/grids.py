"""A profile's grids."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.plan.workflow import open_profile
from rsweep.results.profile import write_grids

study, profile = open_profile(snakemake)
write_grids(study, profile, Path(snakemake.output[0]))
