"""What every rule starts: run.py LOG THREADS SCRIPT [ARGUMENT…]; see src/rsweep/jobs/client.py."""

import sys
from os.path import abspath

sys.path.insert(0, abspath(f"{__file__}/../../src"))

from rsweep.jobs.client import main

main(sys.argv[1:])
