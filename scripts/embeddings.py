"""A profile's embeddings and what ran."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.report.results import write_embeddings, write_meta
from rsweep.workflow import open_study

study, profile = open_study(snakemake)
write_embeddings(study, profile, Path(snakemake.output.parquet))
write_meta(study, profile, Path(snakemake.output.meta))
