"""Whether every published number came out again."""

import sys
from pathlib import Path

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.core.log import start_log
from rsweep.results.published import require_passed

start_log(snakemake.log[0])
require_passed(Path(snakemake.input.table))
