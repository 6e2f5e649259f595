"""Probes that say what an embedding bought."""
