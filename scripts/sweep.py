"""The sweep table and the lock: sweep.py TABLE [LOCK]; a frozen study is held to its lock."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_study
from rsweep.results.lock import check_lock, write_lock
from rsweep.results.table import write_sweep

table, *lock = map(Path, sys.argv[1:])
study = open_study()
if study.options["frozen"]:
    check_lock(study)
else:
    write_lock(study, *lock)
write_sweep(study, table)
