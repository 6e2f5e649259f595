"""AlphaEarth Foundations: an annual embedding that is fetched, not computed."""
