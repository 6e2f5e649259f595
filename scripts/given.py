"""A given set's embeddings, read from the file that somebody else made."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.plan.workflow import open_study
from rsweep.results.given import write_given

study = open_study(snakemake)
given = next(each for each in study.given if each.name == snakemake.wildcards.given)
write_given(study, given, Path(snakemake.output.parquet), Path(snakemake.output.meta))
