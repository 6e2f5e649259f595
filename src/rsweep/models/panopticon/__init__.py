"""Panopticon: a ViT that fuses any channels of any sensor before it begins."""
