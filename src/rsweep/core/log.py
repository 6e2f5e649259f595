"""The log of a job."""

from __future__ import annotations

import logging
import sys
from typing import Any

from rsweep.core.errors import RsweepError


def start_log(path: str) -> None:
    """Write rsweep's log to a rule's log file; an exception that ends the job goes there too."""
    logging.basicConfig(filename=path, level=logging.INFO, force=True,
                        format="%(asctime)s %(levelname)s %(message)s")  # fmt: skip

    def end(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        expected = isinstance(error, RsweepError)
        logging.getLogger("rsweep").error(str(error), exc_info=None if expected else error)
        if expected:
            sys.exit(f"{kind.__name__}: {error}")
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = end
