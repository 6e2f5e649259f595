"""SatMAE++ on ten bands of Sentinel-2: three groups of bands, each with tokens of its own."""
