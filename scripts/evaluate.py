"""What a profile's embeddings are worth."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.evaluate.quality import write_quality
from rsweep.plan.workflow import open_study

study, _ = open_study(snakemake)
write_quality(study.evaluate, Path(snakemake.input[0]), Path(snakemake.output[0]))
