"""Random convolutional features: a training-free baseline."""
