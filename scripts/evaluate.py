"""What the embeddings of a batch of profiles are worth: evaluate.py BATCH DESIGN EVALUATION."""

import sys
from pathlib import Path

from rsweep.evaluate.tasks import evaluate_batch
from rsweep.jobs.script import open_study
from rsweep.plan.rounds import finished
from rsweep.plan.workflow import batches

batch, design, to = sys.argv[1:]
study = finished(open_study())
names = batches(study)[batch]
evaluate_batch(study, names, Path(design), Path(to))
