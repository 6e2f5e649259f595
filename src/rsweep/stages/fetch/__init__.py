"""Fetch: every scene of a window on the grid of each ROI."""
