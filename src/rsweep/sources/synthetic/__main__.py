"""`python -m rsweep.sources.synthetic crops > config/rois/crops.csv`: one of the ROI tables."""

from __future__ import annotations

import sys

from rsweep.sources.synthetic.demo import TABLES, sample_rois, table

names = sys.argv[1:]
if len(names) != 1 or names[0] not in TABLES:
    sys.exit(f"give one of: {', '.join(TABLES)}")
sys.stdout.write(table(sample_rois(TABLES[names[0]])))
