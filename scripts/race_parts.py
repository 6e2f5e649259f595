"""Which shards each round of a race has: race_parts.py DESIGN PARTS."""

import sys
from pathlib import Path

from rsweep.evaluate.race_tasks import draw_race
from rsweep.jobs.script import open_study

draw_race(open_study(), *map(Path, sys.argv[1:]))
