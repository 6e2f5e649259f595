"""Prithvi-EO-2.0: a ViT over up to four dates that is told when and where each was seen."""
