"""Copernicus-FM: a ViT with generated patch kernels that is told place, date and patch area."""
