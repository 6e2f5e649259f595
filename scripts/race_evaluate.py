"""What a batch of profiles is worth on a race's part: race_evaluate.py ROUND BATCH DESIGN TO."""

import sys
from pathlib import Path

from rsweep.evaluate.race_tasks import evaluate_part
from rsweep.jobs.script import open_study
from rsweep.plan.rounds import left_after
from rsweep.plan.workflow import race_batches

number, batch, design, to = sys.argv[1:]
study = open_study()
names = race_batches(left_after(study, int(number) - 1))[batch]
evaluate_part(study, int(number), names, Path(design), Path(to))
