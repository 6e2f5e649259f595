"""Inference for the key and shard of the rule's wildcards, by a worker that is there already."""

import sys

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.jobs.client import run_cell

run_cell(snakemake)
