"""DOFA: a ViT whose patch kernel is generated from the wavelengths of the bands it is fed."""
