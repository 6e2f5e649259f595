"""Reproducible sweeps of remote-sensing foundation-model embeddings."""

__version__ = "0.1.0"
