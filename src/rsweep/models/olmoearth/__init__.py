"""OlmoEarth: series of Sentinel-2, Sentinel-1 and Landsat with masks, from nano to large."""
