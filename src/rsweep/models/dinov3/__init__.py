"""DINOv3 of the satellite pictures, through timm."""
