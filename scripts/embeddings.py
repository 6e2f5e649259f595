"""A profile's embeddings and what ran: embeddings.py PROFILE PARQUET META."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_profile
from rsweep.results.profile import write_embeddings, write_meta

name, parquet, meta = sys.argv[1:]
study, profile = open_profile(name)
write_embeddings(study, profile, Path(parquet))
write_meta(study, profile, Path(meta))
