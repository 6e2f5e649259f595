"""CROMA: encoders of radar and optical images, and one that joins them."""
