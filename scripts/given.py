"""A given set's embeddings, from the file that somebody else made: given.py NAME PARQUET META."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_study
from rsweep.results.given import write_given

name, parquet, meta = sys.argv[1:]
study = open_study()
given = next(each for each in study.given if each.name == name)
write_given(study, given, Path(parquet), Path(meta))
