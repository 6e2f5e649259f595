"""Who goes on after a round of a race, and who stops: race_round.py ROUND DESIGN TO."""

import sys
from pathlib import Path

from rsweep.evaluate.race_tasks import decide_round
from rsweep.jobs.script import open_study

number, design, to = sys.argv[1:]
decide_round(open_study(), int(number), Path(design), Path(to))
