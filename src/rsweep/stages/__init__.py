"""The five stages, a folder each."""
