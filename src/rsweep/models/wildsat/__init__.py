"""WildSAT: a ViT-B/16 trained to agree with where species live and what is written of them."""
