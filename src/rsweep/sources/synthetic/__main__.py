"""`python -m rsweep.sources.synthetic > config/rois/demo.csv`: the demo's ROI table."""

from __future__ import annotations

import sys

from rsweep.sources.synthetic.demo import sample_rois, table

sys.stdout.write(table(sample_rois()))
