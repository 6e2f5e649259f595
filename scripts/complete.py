"""Whether a study has enough embeddings."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.core.log import start_log
from rsweep.results.complete import write_complete

start_log(snakemake.log[0])
most = snakemake.params.max_failed
write_complete(Path(snakemake.input.table), most, Path(snakemake.output[0]))
