"""Blocks and folds of a study's ROIs."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.evaluate.tasks import design_study
from rsweep.plan.workflow import open_study

study = open_study(snakemake)
design_study(study, Path(snakemake.output[0]))
