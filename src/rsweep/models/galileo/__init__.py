"""Galileo: multimodal series of any subset of sensors, with masks, from nano to base."""
