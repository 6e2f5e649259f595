"""Clay: a ViT for the bands of any sensor, told wavelengths, metres per pixel, time and place."""
