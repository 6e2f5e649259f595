"""THOR: one transformer over bands of several resolutions, for any patch size and ground cover."""
