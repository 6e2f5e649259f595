"""TESSERA: published annual embeddings, which are read, not computed."""
