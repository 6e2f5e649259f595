"""One of the five stages, for the key and shard of the rule's wildcards."""

import sys

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.jobs.script import run_script

run_script(snakemake)
