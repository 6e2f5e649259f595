"""AnySat: series of any length and resolution, pixel by pixel, then patch by patch."""
