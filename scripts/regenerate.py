"""Whether every published number came out again: regenerate.py TABLE."""

import sys
from pathlib import Path

from rsweep.results.published import require_passed

require_passed(Path(sys.argv[1]))
