"""TerraMind: one transformer over the patches of several kinds of image of the same place."""
