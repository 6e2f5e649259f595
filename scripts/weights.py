"""Fetch the weights of the rule's wildcard to this machine's cache, before inference reads them."""

import sys

sys.path.insert(0, f"{snakemake.scriptdir}/../src")

from rsweep.jobs.weights import run_rule

run_rule(snakemake)
