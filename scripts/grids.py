"""A profile's grids: grids.py PROFILE FOLDER."""

import sys
from pathlib import Path

from rsweep.jobs.script import open_profile
from rsweep.results.profile import write_grids

name, folder = sys.argv[1:]
write_grids(*open_profile(name), Path(folder))
