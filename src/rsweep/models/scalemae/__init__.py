"""ScaleMAE: a ViT-L/16 on RGB whose positions are in metres on the ground."""
