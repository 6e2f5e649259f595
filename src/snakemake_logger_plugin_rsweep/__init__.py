"""Snakemake's messages as a person wants them: a line per stage, and failures with their reasons.

`logger: [rsweep]` in a workflow profile chooses it. `--verbose` and `-p` (and `--debug-dag`) print
Snakemake's own messages instead, which are in `.snakemake/log` whatever is printed.
"""

from __future__ import annotations

import sys
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    """The plugin, under the name by which Snakemake looks for it."""

    def __post_init__(self) -> None:
        """Choose between Snakemake's messages and a line per stage."""
        from snakemake.logging import ColorizingTextHandler

        from snakemake_logger_plugin_rsweep.run import RunDisplay

        asked = self.common_settings
        stream = sys.stdout if asked.stdout else sys.stderr
        self.everything = asked.verbose or asked.printshellcmds or asked.debug_dag
        self.text = ColorizingTextHandler(nocolor=asked.nocolor, stream=stream)
        self.run = RunDisplay(stream, asked.nocolor, asked.dryrun)

    def emit(self, record: LogRecord) -> None:
        """Print a message, or what follows from it."""
        if self.everything:
            self.text.setFormatter(self.formatter)
            self.text.emit(record)
            return
        try:
            self.run.receive(record, self.format)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.run.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """It prints instead of Snakemake."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's own log file has everything."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's own filter, so that `--quiet` does what it does."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Snakemake's own formatter, for what is printed as it is."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Counts of jobs are enough."""
        return False
