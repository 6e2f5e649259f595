"""Inference for a key and a shard: infer.py KEY SHARD THREADS MEMORY_MB."""

import sys

from rsweep.jobs.script import run_inference

run_inference(*sys.argv[1:])
