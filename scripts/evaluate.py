"""What the embeddings of a batch of profiles are worth."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.evaluate.tasks import evaluate_batch
from rsweep.plan.workflow import batches, open_study

study = open_study(snakemake)
names = batches(study)[snakemake.wildcards.batch]
evaluate_batch(study, names, Path(snakemake.input.design), Path(snakemake.output[0]))
