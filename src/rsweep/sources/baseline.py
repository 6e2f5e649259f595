"""Sentinel-2's offset: from processing baseline 04.00 on ESA adds 1000 to every value."""

OFFSET = -1000.0
FIRST_BASELINE = "04.00"
