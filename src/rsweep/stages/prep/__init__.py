"""Frames to model-ready tiles: geometry, resampling, normalising."""
