"""A stage for a key and a shard: stage.py KEY SHARD THREADS."""

import sys

from rsweep.jobs.script import run_stage

run_stage(*sys.argv[1:])
