"""Scenes to frames: masking, binning in time, reducing. Arrays in, arrays out."""
