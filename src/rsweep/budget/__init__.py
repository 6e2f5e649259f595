"""Choosing under a budget: which profiles of a sweep to run first, and which files to give up."""
