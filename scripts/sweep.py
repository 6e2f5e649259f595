"""The sweep table and the lock."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.plan.workflow import open_study
from rsweep.results.lock import check_lock, write_lock
from rsweep.results.table import write_sweep

study = open_study(snakemake)
if study.options["frozen"]:
    check_lock(study)
else:
    write_lock(study, Path(snakemake.output.lock))
write_sweep(study, Path(snakemake.output.table))
