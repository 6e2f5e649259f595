"""AgriFM: a Video Swin pyramid over long Sentinel-2 series, supervised by land cover."""
