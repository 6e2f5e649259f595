"""Proof: whether results, and what they were made of, are what their lock says."""
