"""TerraFM: a ViT with a patch embedding for each level of Sentinel-2, and for Sentinel-1."""
