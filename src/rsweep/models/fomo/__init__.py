"""FoMo: every band of any sensor is a set of tokens of its own."""
