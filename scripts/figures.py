"""The figures of a study."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.plan.workflow import open_study
from rsweep.report.figures import write_figures

study = open_study(snakemake)
write_figures(study, Path(snakemake.output[0]))
