"""Any vision transformer or convolutional network of timm, as `timm:<name>`."""
