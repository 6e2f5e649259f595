"""TESSERA: one vector per pixel from all observations of a year, without looking at neighbours."""
