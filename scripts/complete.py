"""Whether a study has enough embeddings: complete.py TABLE MAX_FAILED COMPLETE."""

import sys
from pathlib import Path

from rsweep.results.complete import write_complete

table, most, to = sys.argv[1:]
write_complete(Path(table), float(most), Path(to))
