"""The page of a study."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.plan.workflow import open_study
from rsweep.report.page import write_page

study = open_study(snakemake)
figures, lock = Path(snakemake.input.figures), Path(snakemake.input.lock)
write_page(study, figures, lock, Path(snakemake.output[0]))
