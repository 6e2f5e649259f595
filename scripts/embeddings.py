"""A profile's embeddings and what ran."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.plan.workflow import open_profile
from rsweep.results.profile import write_embeddings, write_meta

study, profile = open_profile(snakemake)
write_embeddings(study, profile, Path(snakemake.output.parquet))
write_meta(study, profile, Path(snakemake.output.meta))
