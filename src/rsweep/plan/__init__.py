"""Knobs, studies, profiles, keys and shards: what runs, decided without torch or rasterio."""
