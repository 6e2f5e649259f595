"""What a study's stages become: embeddings, grids, meta, the sweep table and the lock."""
