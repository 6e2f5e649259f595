"""Token maps to pooled vectors and georeferenced grids."""
