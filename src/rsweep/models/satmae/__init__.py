"""SatMAE and SatMAE++ on RGB: a plain ViT-L/16 with fixed positions."""
