"""Where scenes come from: one module per provider behind one protocol."""
