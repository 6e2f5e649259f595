"""SatVision-TOA: a Swin V2 pyramid of three billion parameters on MODIS at 1 km."""
