"""Which profile to use, and how sure that is."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.evaluate.tasks import judge_study
from rsweep.plan.workflow import open_study

study = open_study(snakemake)
design, out = Path(snakemake.input.design), snakemake.output
judge_study(study, design, Path(out.verdict), Path(out.pairs))
