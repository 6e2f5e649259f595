"""RemoteCLIP: the image tower of a CLIP trained on captions of overhead pictures."""
